"""The size of a dataset's video, read from its first frame."""

from __future__ import annotations

from pathlib import Path

from rvos.data.records import VideoRecord
from rvos.types import StoredImages
from rvos.video.reader import open_video


def frame_size(video: VideoRecord) -> tuple[int, int]:
    """(height, width) in pixels, of images as they are stored (no EXIF rotation). Raises `VideoError` where the first
    frame cannot be read."""
    first = video.source if isinstance(video.source, Path) else StoredImages(video.source[:1])
    with open_video(first, prefetch=0) as reader:
        return reader.info.size
