"""`rvos.draw`: masks on one image, drawn as in the videos of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rvos.export.legend import video_legend
from rvos.export.painter import Painter
from rvos.export.style import OVERLAY_STYLE, OverlayStyle
from rvos.types import FrameResult


def draw(
    image: np.ndarray,
    results: Sequence[FrameResult] | Sequence[np.ndarray],
    names: Sequence[str] = (),
    *,
    style: OverlayStyle = OVERLAY_STYLE,
) -> np.ndarray:
    """A copy of `image` with masks drawn on it.

    image: (H, W, 3) uint8 RGB; results: E results of a frame, or E masks (H, W) bool; names: E texts for the legend and
    the labels, or () for neither. Returns (H, W, 3) uint8 RGB. Raises `ValueError` for other shapes or counts.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"draw: expected an image of uint8 (H, W, 3), got {image.dtype} {image.shape}")
    shown = [
        result if isinstance(result, FrameResult) else FrameResult(0, 0.0, index, np.asarray(result), 1.0, 1.0)
        for index, result in enumerate(results)
    ]
    wrong = [result.mask.shape for result in shown if result.mask.shape != image.shape[:2]]
    if wrong:
        raise ValueError(f"draw: expected masks of the image's size {image.shape[:2]}, got {wrong[0]}")
    if names and len(names) != len(shown):
        raise ValueError(f"draw: expected a name for each of {len(shown)} masks, or none, got {len(names)}")
    drawn, painter = np.ascontiguousarray(image).copy(), Painter(style)
    painter.masks(drawn, [result.mask for result in shown])
    painter.marks(drawn, shown, names or [""] * len(shown))
    if names and style.legend:
        legend, corner = video_legend(names, image.shape[:2], style)
        legend.paint(drawn, corner, [result.present for result in shown])
    return drawn
