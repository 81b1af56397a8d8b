"""The targets without the background: images with alpha, videos with alpha, and videos with another background.

A pixel is shown if any target of the run covers it; `rvos export --only N` selects targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from rvos.export import paths
from rvos.export.base import PerFrameExporter, VideoExporter
from rvos.export.png import write_png
from rvos.export.records import mask_bytes
from rvos.types import Frame, FrameResult
from rvos.video.encoding import H264, Encoding

Matte = Callable[[Frame, Sequence[FrameResult]], np.ndarray]
"""A frame and its results -> (H, W, 3) RGB or (H, W, 4) RGBA, uint8."""
_GREEN = (0, 177, 64)
"""Chroma-key green (RGB)."""
_BLUR_FRACTION = 0.03
_COLOUR_MARGIN_PX = 16


def union(size: tuple[int, int], results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W) bool: where any target is."""
    covered = np.zeros(size, bool)
    for result in results:
        covered |= result.mask
    return covered


def with_alpha(frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W, 4) uint8: the frame, alpha 255 where any target is. Colours are kept up to 16 px around, so that codecs
    which subsample colours do not mix in the outside; beyond that all is black."""
    inside = mask_bytes(union(frame.size, results))
    near = cv2.dilate(inside, np.ones((2 * _COLOUR_MARGIN_PX + 1,) * 2, np.uint8))
    return np.dstack([frame.image * near[..., None], inside * np.uint8(255)])


def on_green(frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the targets on chroma-key green."""
    return np.where(union(frame.size, results)[..., None], frame.image, np.array(_GREEN, np.uint8))


def on_blur(frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the targets sharp, the rest blurred. The blur takes no colour from the targets."""
    sigma = max(1.0, _BLUR_FRACTION * min(frame.size))
    rest = (~union(frame.size, results)).astype(np.float32)
    blurred = cv2.GaussianBlur(frame.image.astype(np.float32) * rest[..., None], (0, 0), sigma)
    weight = cv2.GaussianBlur(rest, (0, 0), sigma)
    around = np.clip(np.rint(blurred / np.maximum(weight, 1e-3)[..., None]), 0, 255).astype(np.uint8)
    return np.where(rest[..., None] > 0, around, frame.image)


class CutoutExporter(PerFrameExporter):
    """`<frame index>.png`: RGBA, transparent where no target is, with the colours of the video where one is."""

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        write_png(self.folder / paths.frame_file_name(frame.index), with_alpha(frame, results))


class MatteExporter(VideoExporter):
    """A video of what a `Matte` returns for each frame."""

    def __init__(self, path: Path, matte: Matte, encoding: Encoding = H264) -> None:
        super().__init__(path, encoding)
        self._matte = matte

    def image(self, frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
        return self._matte(frame, results)
