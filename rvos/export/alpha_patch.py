"""A small image with transparency that is drawn once and blended onto many frames, for legends and captions."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from rvos.export.style import Colour


class AlphaPatch:
    """A rectangle of black with one opacity, and of colour where something was filled in."""

    def __init__(self, size: tuple[int, int], backdrop_alpha: float) -> None:
        """`size` (height, width); `backdrop_alpha` in [0, 1]: the opacity of the black background."""
        self.size = size
        self._colour = np.zeros((*size, 3), np.float32)
        self._transmittance = np.full((*size, 1), 1 - backdrop_alpha, np.float32)

    def fill(self, coverage: np.ndarray, top_left: tuple[int, int], colour: Colour) -> None:
        """Draw `colour` with `coverage` (h, w) uint8; what exceeds the patch at the right and the bottom is cropped."""
        y, x = top_left
        h, w = (max(0, min(coverage.shape[i], self.size[i] - top_left[i])) for i in (0, 1))
        alpha = (coverage[:h, :w, None] / np.float32(255)).astype(np.float32)
        region = np.s_[y : y + h, x : x + w]
        self._colour[region] = self._colour[region] * (1 - alpha) + alpha * np.array(colour, np.float32)
        self._transmittance[region] *= 1 - alpha

    def blend(self, image: np.ndarray, top_left: tuple[int, int]) -> None:
        """Blend the patch onto `image` (H, W, 3) uint8, in place; what exceeds the image at the bottom and the right is
        cropped."""
        y, x = top_left
        region = image[y : y + self.size[0], x : x + self.size[1]]
        if region.size == 0:
            return
        h, w = region.shape[:2]
        transmittance, colour = (part[:h, :w] for part in self._as_uint8)
        cv2.add(cv2.multiply(region, transmittance, scale=1 / 255), colour, dst=region)

    @functools.cached_property
    def _as_uint8(self) -> tuple[np.ndarray, np.ndarray]:
        transmittance = np.repeat(np.rint(self._transmittance * 255).astype(np.uint8), 3, axis=2)
        return transmittance, np.rint(self._colour).astype(np.uint8)
