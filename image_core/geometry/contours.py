"""Outlines of masks: mask -> a few contour points -> tokens, and back. Pure functions of arrays.

A point (x, y) names the pixel in column x and row y, whole numbers lie on pixel centres, and an outline runs through
the outermost pixels of its part. So a full outline, rasterised, is its part again, to the pixel.

One outline cannot describe every mask: holes are filled, and of several parts only the largest is kept (SeqTR's rule).
`outlines` gives the outlines of all parts; a mask without foreground has none.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_HALF = 0.5 + 1e-9  # halves go down: the middle of a bin of one pixel lies half a pixel above what was quantised


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """(H, W) bool -> the outer border of each 8-connected part, (n, 2) int64 x, y, the largest part first.

    Parts are ordered by the area that their outline encloses, equal ones by its length. Consecutive points are
    neighbours; a part of one pixel has one point. Islands in a hole belong to the part around it. [] when empty.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"mask: expected bool (H, W), got {mask.dtype} {mask.shape}")
    borders, _ = cv2.findContours(np.ascontiguousarray(mask).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    ordered = sorted(borders, key=lambda c: (cv2.contourArea(c), len(c)), reverse=True)
    return [c[:, 0].astype(np.int64) for c in ordered]


def largest_outline(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool -> (n, 2) int64 x, y: the outline of the largest part; (0, 2) when the mask is empty."""
    ordered = outlines(mask)
    return ordered[0] if ordered else np.zeros((0, 2), np.int64)


def encloses_area(outline: np.ndarray) -> bool:
    """Whether an outline (n, 2) goes round something: that of a pixel or of a straight line does not."""
    return len(outline) > 2 and cv2.contourArea(outline.astype(np.int32)) > 0


def sample_points(outline: np.ndarray, count: int) -> np.ndarray:
    """(n, 2) -> every ceil(n / count)-th point, (m, 2) with m <= count: all n of them where n <= count.

    The first point stays the first, and the order stays that of the outline (SeqTR's uniform sampling). m is below
    `count` where the stride does not go up evenly: 19 points with count 12 give 10.
    """
    if count < 1:
        raise ValueError(f"sample_points: expected a count of at least 1, got {count}")
    return outline[:: max(1, -(-len(outline) // count))]


def shuffle_points(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(m, 2) -> the same points in an order drawn from `rng`: the set is kept, the outline is not."""
    return rng.permutation(points, axis=0)


def quantise(points: np.ndarray, size: tuple[int, int], bins: int) -> np.ndarray:
    """(m, 2) x, y in pixels of an image of `size` (height, width) -> (m, 2) int64 tokens 0 .. bins - 1.

    floor(coordinate * bins / side), each axis by its own side; what lies outside gets the nearest bin.
    """
    height, width = size
    scaled = np.asarray(points, np.float64) * bins / (width, height)  # in this order whole results are exact
    return np.clip(np.floor(scaled), 0, bins - 1).astype(np.int64)


def dequantise(tokens: np.ndarray, size: tuple[int, int], bins: int, offset: float = 0.5) -> np.ndarray:
    """(m, 2) tokens -> (m, 2) float64 x, y in pixels: (token + offset) * side / bins.

    offset 0.5 is the middle of the bin: at most half a bin away from what was quantised, so that rounding brings every
    whole number back where bins >= side. The published decoding is the bin's lower edge, offset 0: up to a bin low.
    """
    height, width = size
    return (np.asarray(tokens, np.float64) + offset) * (width, height) / bins


def rasterise(outlines_xy: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Outlines, each (m, 2) x, y in pixels, numbers of any kind -> (H, W) bool at `size` (height, width).

    Points are rounded to their pixel (halves down) and the outline itself is inside, as `outlines` has it. Two
    points make a line and one point a pixel; none makes nothing. Where one outline crosses itself, what it winds round
    twice is outside (even-odd). Overlapping outlines are joined, not subtracted.
    """
    mask = np.zeros(size, np.uint8)
    for points in outlines_xy:
        if len(points):
            cv2.fillPoly(mask, [np.ceil(np.asarray(points) - _HALF).astype(np.int32)[:, None]], 1)
    return mask.view(np.bool_)
