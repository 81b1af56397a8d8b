"""J and F of frames: from masks to figures. Both are taken from the same packed crop."""

from __future__ import annotations

import numpy as np

from image_core.errors import DataError
from rvos.metrics.bitmaps import Bitmaps, crop_together, pack
from rvos.metrics.boundary import BOUND_TH, Contours, boundary_accuracy, contours, tolerance_px
from rvos.metrics.region import region_similarity


def region_and_boundary(
    prediction: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None, bound_th: float = BOUND_TH
) -> tuple[np.ndarray, np.ndarray]:
    """J and F of N pairs of masks, each (N,) float in [0, 1].

    prediction, truth: (N, H, W) bool, frames or objects, the n-th against the n-th; void: (N, H, W) bool, pixels that
    count for neither; bound_th: see `tolerance_px`. Raises `DataError` when the shapes differ, `ValueError` when the
    masks are not bool (N, H, W).
    """
    check_same_size(prediction.shape, truth.shape)
    if void is not None:
        check_same_size(void.shape, truth.shape, "void mask")
    scores = np.ones((2, len(truth)))
    for n in range(len(truth)):
        one = slice(n, n + 1)
        a, b = pack(prediction[one]), pack(truth[one])
        if void is not None:
            void_bitmap = pack(void[one])
            a, b = a.without(void_bitmap), b.without(void_bitmap)
        scores[:, one] = score_pairs(a, b, bound_th)
    return scores[0], scores[1]


def score_pairs(prediction: Bitmaps, truth: Bitmaps, bound_th: float = BOUND_TH) -> tuple[np.ndarray, np.ndarray]:
    """N and N masks of one image -> J (N,) and F (N,), the n-th against the n-th."""
    masks, shapes, n = _crop_and_outline(prediction, truth, bound_th)
    region = region_similarity(masks[:n], masks[n:])
    lines, dilated = shapes.lines, shapes.dilated
    return region, boundary_accuracy(Contours(lines[:n], dilated[:n]), Contours(lines[n:], dilated[n:]))


def score_all_pairs(prediction: Bitmaps, truth: Bitmaps, bound_th: float = BOUND_TH) -> tuple[np.ndarray, np.ndarray]:
    """P and G masks of one image -> J (P, G) and F (P, G), each against each. Every contour is made once."""
    masks, shapes, p = _crop_and_outline(prediction, truth, bound_th)
    region = region_similarity(masks[:p, None], masks[None, p:])
    lines, dilated = shapes.lines, shapes.dilated
    predicted = Contours(lines[:p, None], dilated[:p, None])
    return region, boundary_accuracy(predicted, Contours(lines[None, p:], dilated[None, p:]))


def check_same_size(got: tuple[int, ...], expected: tuple[int, ...], what: str = "prediction") -> None:
    """Raises `DataError` when the shape of `what` is not that of the truth."""
    if got != expected:
        raise DataError(f"{what}: expected {expected}, the shape of the truth, got {got}: resize it to that")


def _crop_and_outline(prediction: Bitmaps, truth: Bitmaps, bound_th: float) -> tuple[np.ndarray, Contours, int]:
    """The words of all masks in one crop, their contours, and how many of them are predictions."""
    radius_px = tolerance_px(truth.size, bound_th)
    masks = crop_together(prediction, truth, radius_px)
    return masks.words, contours(masks, radius_px), len(prediction.words)
