"""The guided filter (He, Sun and Tang, "Guided Image Filtering", ECCV 2010): a map made to follow a picture's edges."""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np

from image_core.ranges import Range
from rvos.tracking.appearance import halved
from rvos.tracking.box import box_of
from rvos.view.frame_view import View

FilterRadius = Annotated[int, Range(1, 1000)]
"""Pixels."""
SNAP_RADIUS = 6
SNAP_EPS = 1e-5
STEADY = 1e-3
"""Of a window's variance, added to that of every channel: where two flat colours meet, their covariance has one
direction alone, and in single precision nothing else would keep the solution finite."""


def guided_filter(guide: np.ndarray, values: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """(h, w) float32: in every window of side 2 radius + 1 as nearly `values` as a linear function of the guide can be.

    The functions are found at half size (He and Sun, "Fast Guided Filter", 2015): a quarter of the cost, and half a
    percent of the pixels change sides. guide: (h, w, 3) float32 in [0, 1], or uint8; values: (h, w) float32; eps:
    variance of the guide, of 1, below which a window is taken to be of one colour.
    """
    height, width = values.shape
    scale = np.float32(1 / 255 if guide.dtype == np.uint8 else 1)
    small = halved(guide).astype(np.float32) * scale
    of_channels = _functions(small, halved(values), max(1, round(radius / 2)), eps)
    *slopes, offset = (cv2.resize(of, (width, height), interpolation=cv2.INTER_LINEAR) for of in of_channels)
    for slope, channel in zip(slopes, cv2.split(guide), strict=True):
        offset += cv2.multiply(slope, channel, scale=float(scale), dtype=cv2.CV_32F)
    return offset


def _functions(guide: np.ndarray, values: np.ndarray, radius: int, eps: float) -> tuple[np.ndarray, ...]:
    """Four (h, w) float32: what each channel of the guide is multiplied by, and what is added, means over all windows
    that a pixel lies in. Section 3.4 of the paper, with the 3 x 3 systems solved by cofactors."""
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(of: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(of, -1, window, borderType=cv2.BORDER_REFLECT_101)

    g0, g1, g2 = cv2.split(guide)
    m0, m1, m2 = mean(g0), mean(g1), mean(g2)
    middle = mean(values)
    s00, s11, s22 = mean(g0 * g0) - m0 * m0, mean(g1 * g1) - m1 * m1, mean(g2 * g2) - m2 * m2
    steady = eps + STEADY * (s00 + s11 + s22)
    s00, s11, s22 = s00 + steady, s11 + steady, s22 + steady
    s01 = mean(g0 * g1) - m0 * m1
    s02 = mean(g0 * g2) - m0 * m2
    s12 = mean(g1 * g2) - m1 * m2
    c0 = mean(g0 * values) - m0 * middle
    c1 = mean(g1 * values) - m1 * middle
    c2 = mean(g2 * values) - m2 * middle
    i00, i01, i02 = s11 * s22 - s12 * s12, s02 * s12 - s01 * s22, s01 * s12 - s02 * s11
    i11, i12, i22 = s00 * s22 - s02 * s02, s01 * s02 - s00 * s12, s00 * s11 - s01 * s01
    over = 1.0 / np.maximum(s00 * i00 + s01 * i01 + s02 * i02, 1e-20)
    a0 = (i00 * c0 + i01 * c1 + i02 * c2) * over
    a1 = (i01 * c0 + i11 * c1 + i12 * c2) * over
    a2 = (i02 * c0 + i12 * c1 + i22 * c2) * over
    b = middle - a0 * m0 - a1 * m1 - a2 * m2
    return mean(a0), mean(a1), mean(a2), mean(b)


def snapped(view: View, probs: np.ndarray) -> np.ndarray:
    """(h, w) float32 probabilities -> the mask (H, W) bool at frame size, its boundary moved to the nearest edge of the
    picture."""
    height, width = view.picture.shape[:2]
    large = cv2.resize(probs, (width, height), interpolation=cv2.INTER_LINEAR)
    if (large > 0.5).any():
        box = box_of(large > 0.5, 4 * SNAP_RADIUS)
        large[box.part] = guided_filter(view.picture[box.part], large[box.part], SNAP_RADIUS, SNAP_EPS)
    height, width = view.frame.size
    return cv2.resize(large, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
