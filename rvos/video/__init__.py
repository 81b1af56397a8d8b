"""Videos in and out: `open_video`, `read_windows`, `VideoWriter`."""

from __future__ import annotations

from rvos.video.clips import read_windows
from rvos.video.reader import VideoReader, open_video
from rvos.video.writer import VideoWriter

__all__ = ["VideoReader", "VideoWriter", "open_video", "read_windows"]
