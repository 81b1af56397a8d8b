"""The guided filter (He, Sun and Tang, "Guided Image Filtering", ECCV 2010): aligns a map with the edges of a
image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np

from image_core.ranges import Range
from rvos.tracking.carrying.appearance import halved, work_picture
from rvos.tracking.carrying.box import box_of
from rvos.view.frame_view import View

FilterRadius = Annotated[int, Range(1, 1000)]
"""Pixels."""
SNAP_RADIUS = 6
SNAP_EPS = 1e-5
STEADY = 1e-3
"""Share of the variance of a window that is added to that of every channel. Where two flat colours meet, the covariance
has rank one, and in single precision nothing else would keep the solution finite."""


@dataclass(frozen=True)
class Guide:
    """A guide image, with all that depends on it alone. All arrays but the image are at half size, and are means
    over the windows. Section 3.4 of the paper, with the 3 x 3 systems solved by cofactors."""

    #: (h, w, 3) float32 in [0, 1], or uint8.
    image: np.ndarray
    #: Side of a window, in pixels at half size.
    window: int
    #: The three channels at half size, and their means.
    channels: tuple[np.ndarray, ...]
    means: tuple[np.ndarray, ...]
    #: The six cofactors of their covariances (00, 01, 02, 11, 12, 22), and one over the determinant.
    cofactors: tuple[np.ndarray, ...]
    over: np.ndarray

    def mean(self, of: np.ndarray) -> np.ndarray:
        """(h', w') -> its mean over every window."""
        return cv2.boxFilter(of, -1, (self.window, self.window), borderType=cv2.BORDER_REFLECT_101)

    def filtered(self, values: np.ndarray) -> np.ndarray:
        """(h, w) float32: in every window the linear function of the image that fits `values` (h, w) best."""
        height, width = values.shape
        scale = _scale_of(self.image)
        of_channels = self._functions(halved(values))
        *slopes, offset = (cv2.resize(of, (width, height), interpolation=cv2.INTER_LINEAR) for of in of_channels)
        for slope, channel in zip(slopes, cv2.split(self.image), strict=True):
            offset += cv2.multiply(slope, channel, scale=float(scale), dtype=cv2.CV_32F)
        return offset

    def _functions(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        """Four (h', w') float32: the slope of each channel, and the offset, as means over all windows that a pixel lies
        in."""
        (g0, g1, g2), (m0, m1, m2), mean = self.channels, self.means, self.mean
        i00, i01, i02, i11, i12, i22 = self.cofactors
        middle = mean(values)
        c0 = mean(g0 * values) - m0 * middle
        c1 = mean(g1 * values) - m1 * middle
        c2 = mean(g2 * values) - m2 * middle
        a0 = (i00 * c0 + i01 * c1 + i02 * c2) * self.over
        a1 = (i01 * c0 + i11 * c1 + i12 * c2) * self.over
        a2 = (i02 * c0 + i12 * c1 + i22 * c2) * self.over
        b = middle - a0 * m0 - a1 * m1 - a2 * m2
        return mean(a0), mean(a1), mean(a2), mean(b)


def guide_of(image: np.ndarray, radius: int, eps: float) -> Guide:
    """The guide of (h, w, 3) float32 in [0, 1], or uint8, with windows of side 2 radius + 1.

    The linear functions are fitted at half size (He and Sun, "Fast Guided Filter", 2015): this takes a quarter of the
    time, and half a percent of the pixels change sides. eps: variance, of 1, below which a window counts as of one
    colour.
    """
    small = halved(image).astype(np.float32) * _scale_of(image)
    window = 2 * max(1, round(radius / 2)) + 1

    def mean(of: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(of, -1, (window, window), borderType=cv2.BORDER_REFLECT_101)

    g0, g1, g2 = channels = cv2.split(small)
    m0, m1, m2 = means = mean(g0), mean(g1), mean(g2)
    s00, s11, s22 = mean(g0 * g0) - m0 * m0, mean(g1 * g1) - m1 * m1, mean(g2 * g2) - m2 * m2
    steady = eps + STEADY * (s00 + s11 + s22)
    s00, s11, s22 = s00 + steady, s11 + steady, s22 + steady
    s01 = mean(g0 * g1) - m0 * m1
    s02 = mean(g0 * g2) - m0 * m2
    s12 = mean(g1 * g2) - m1 * m2
    i00, i01, i02 = s11 * s22 - s12 * s12, s02 * s12 - s01 * s22, s01 * s12 - s02 * s11
    i11, i12, i22 = s00 * s22 - s02 * s02, s01 * s02 - s00 * s12, s00 * s11 - s01 * s01
    over = 1.0 / np.maximum(s00 * i00 + s01 * i01 + s02 * i02, 1e-20)
    return Guide(image, window, tuple(channels), means, (i00, i01, i02, i11, i12, i22), over)


def work_guide(view: View, radius: int, eps: float) -> Guide:
    """The guide of the image at work size. Ask by `view.once(work_guide, radius, eps)`."""
    return guide_of(view.once(work_picture), radius, eps)


def guided_filter(guide: np.ndarray, values: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """(h, w) float32: `values` (h, w) float32 filtered with a guide that is used only once. Arguments as of
    `guide_of`."""
    return guide_of(guide, radius, eps).filtered(values)


def _scale_of(image: np.ndarray) -> np.float32:
    return np.float32(1 / 255 if image.dtype == np.uint8 else 1)


def snap_to_edges(view: View, probs: np.ndarray) -> np.ndarray:
    """(h, w) float32 probabilities -> the mask (H, W) bool at frame size, its boundary moved to the nearest edge of the
    image."""
    height, width = view.small_image.shape[:2]
    large = cv2.resize(probs, (width, height), interpolation=cv2.INTER_LINEAR)
    if (large > 0.5).any():
        box = box_of(large > 0.5, 4 * SNAP_RADIUS)
        large[box.part] = guided_filter(view.small_image[box.part], large[box.part], SNAP_RADIUS, SNAP_EPS)
    height, width = view.frame.size
    return cv2.resize(large, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
