"""Videos in and out: `open_video`, `VideoWriter`."""

from __future__ import annotations

from rvos.video.reader import VideoReader, open_video
from rvos.video.writer import VideoWriter

__all__ = ["VideoReader", "VideoWriter", "open_video"]
