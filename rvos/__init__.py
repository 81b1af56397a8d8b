"""Referring video object segmentation with image models: a video and an expression in, a mask for every frame out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from image_core.errors import RvosError

if TYPE_CHECKING:
    from rvos.export.drawing import draw
    from rvos.export.style import OverlayStyle
    from rvos.segmenter import VideoSegmenter
    from rvos.types import Frame, FrameResult, VideoInfo, VideoResult
    from rvos.video.reader import open_video

__version__ = "0.1.0"
__all__ = [
    "Frame",
    "FrameResult",
    "OverlayStyle",
    "RvosError",
    "VideoInfo",
    "VideoResult",
    "VideoSegmenter",
    "__version__",
    "draw",
    "open_video",
]

_MODULE_OF = {
    "VideoSegmenter": "rvos.segmenter",
    "open_video": "rvos.video.reader",
    "draw": "rvos.export.drawing",
    "OverlayStyle": "rvos.export.style",
    **dict.fromkeys(("Frame", "FrameResult", "VideoInfo", "VideoResult"), "rvos.types"),
}


def __getattr__(name: str) -> Any:
    """Public names load on first use, so that `rvos --help` does not wait for torch."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'rvos' has no attribute '{name}'")
    return getattr(import_module(_MODULE_OF[name]), name)
