"""What was meant without the rest: pictures with alpha, videos with alpha, and other backgrounds.

What is shown is whatever any target of the run is on; `rvos export --only N` chooses among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from rvos.export import paths
from rvos.export.base import FrameByFrame, VideoExporter
from rvos.export.png import write_png
from rvos.export.records import mask_bytes
from rvos.types import Frame, FrameResult
from rvos.video.encoding import H264, Encoding

Matte = Callable[[Frame, Sequence[FrameResult]], np.ndarray]
"""A frame and its results -> (H, W, 3) RGB or (H, W, 4) RGBA, uint8."""
_GREEN = (0, 177, 64)
"""Chroma-key green (RGB), as studios paint it."""
_BLUR_SHARE = 0.03
_RIM_PX = 16


def union(size: tuple[int, int], results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W) bool: where any target is."""
    whole = np.zeros(size, bool)
    for result in results:
        whole |= result.mask
    return whole


def with_alpha(frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W, 4) uint8: the frame, alpha 255 where any target is. Colours stay around it, so that codecs which share
    colours among neighbours take none from the outside; farther away all is black."""
    inside = mask_bytes(union(frame.size, results))
    near = cv2.dilate(inside, np.ones((2 * _RIM_PX + 1,) * 2, np.uint8))
    return np.dstack([frame.image * near[..., None], inside * np.uint8(255)])


def on_green(frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the targets before chroma-key green."""
    return np.where(union(frame.size, results)[..., None], frame.image, np.array(_GREEN, np.uint8))


def on_blur(frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the targets sharp, the rest out of focus. Nothing of a target is smeared into the rest."""
    sigma = max(1.0, _BLUR_SHARE * min(frame.size))
    rest = (~union(frame.size, results)).astype(np.float32)
    blurred = cv2.GaussianBlur(frame.image.astype(np.float32) * rest[..., None], (0, 0), sigma)
    weight = cv2.GaussianBlur(rest, (0, 0), sigma)
    around = np.clip(np.rint(blurred / np.maximum(weight, 1e-3)[..., None]), 0, 255).astype(np.uint8)
    return np.where(rest[..., None] > 0, around, frame.image)


class CutoutExporter(FrameByFrame):
    """`<frame index>.png`: RGBA, transparent where no target is, every colour as in the video where one is."""

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        write_png(self.folder / paths.picture_name(frame.index), with_alpha(frame, results))


class MatteExporter(VideoExporter):
    """A video that one of the functions above makes of every frame."""

    def __init__(self, path: Path, matte: Matte, encoding: Encoding = H264) -> None:
        super().__init__(path, encoding)
        self._matte = matte

    def picture(self, frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
        return self._matte(frame, results)
