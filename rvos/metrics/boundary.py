"""F, contour accuracy: exactly what the DAVIS evaluation computes (`davis2017/metrics.py`), faster."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rvos.metrics.bitmaps import Bitmaps, count_pixels, dilate, outlines
from rvos.metrics.region import share

BOUND_TH = 0.008
"""The tolerance of all published figures, as a share of the diagonal of the image."""


def tolerance_px(size: tuple[int, int], bound_th: float = BOUND_TH) -> int:
    """How far apart two boundary pixels of images of `size` (height, width) may lie and still match, in pixels.

    bound_th: below 1 a share of the diagonal, rounded up (480 x 854: 8, 720p: 12, 1080p: 18); from 1 on whole pixels.
    Raises `ValueError` when it is neither.
    """
    if bound_th < 0 or (bound_th >= 1 and bound_th != int(bound_th)):
        raise ValueError(f"bound_th: expected a share of the diagonal in [0, 1) or whole pixels, got {bound_th}")
    return int(bound_th) if bound_th >= 1 else math.ceil(bound_th * math.sqrt(size[0] ** 2 + size[1] ** 2))


@dataclass(frozen=True)
class Contours:
    """The boundary pixels of masks, and the same dilated by the tolerance; both words (..., H, S) of bitmaps."""

    lines: np.ndarray
    dilated: np.ndarray


def contours(masks: Bitmaps, radius_px: int) -> Contours:
    """Contours (N, H, S) of masks that `crop_together` made with a margin of `radius_px`."""
    lines = outlines(masks)
    return Contours(lines.words, dilate(lines, radius_px).words)


def boundary_accuracy(prediction: Contours, truth: Contours) -> np.ndarray:
    """Contours of one crop that broadcast -> (...) float in [0, 1]: harmonic mean of precision and recall.

    Precision is the share of the predicted boundary pixels within the tolerance of a true one, recall the other way
    round. F is 0 when one of the two has no boundary, and 1 when neither has one: so it is 1 for a mask that fills the
    image against an empty one, where J is 0. The reference behaves the same way.
    """
    precision = share(count_pixels(prediction.lines & truth.dilated), count_pixels(prediction.lines))
    recall = share(count_pixels(truth.lines & prediction.dilated), count_pixels(truth.lines))
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
