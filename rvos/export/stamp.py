"""A picture with transparency, made once and laid on many frames: legends and captions."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from rvos.export.style import Colour


class Stamp:
    """A rectangle that covers what lies below it with black of one opacity, and has colour where ink was added."""

    def __init__(self, size: tuple[int, int], backdrop_alpha: float) -> None:
        """`size` (height, width); `backdrop_alpha` in [0, 1]: how much black covers what lies below."""
        self.size = size
        self._colour = np.zeros((*size, 3), np.float32)
        self._through = np.full((*size, 1), 1 - backdrop_alpha, np.float32)

    def ink(self, coverage: np.ndarray, top_left: tuple[int, int], colour: Colour) -> None:
        """Add `colour` where `coverage` (h, w) uint8 says; what sticks out at the right and the bottom is cut."""
        y, x = top_left
        h, w = (max(0, min(coverage.shape[i], self.size[i] - top_left[i])) for i in (0, 1))
        alpha = (coverage[:h, :w, None] / np.float32(255)).astype(np.float32)
        region = np.s_[y : y + h, x : x + w]
        self._colour[region] = self._colour[region] * (1 - alpha) + alpha * np.array(colour, np.float32)
        self._through[region] *= 1 - alpha

    def lay(self, image: np.ndarray, top_left: tuple[int, int]) -> None:
        """Draw the stamp on `image` (H, W, 3), in place; what sticks out at the bottom and the right is cut."""
        y, x = top_left
        region = image[y : y + self.size[0], x : x + self.size[1]]
        if region.size == 0:
            return
        h, w = region.shape[:2]
        through, colour = (part[:h, :w] for part in self._final)
        cv2.add(cv2.multiply(region, through, scale=1 / 255), colour, dst=region)

    @functools.cached_property
    def _final(self) -> tuple[np.ndarray, np.ndarray]:
        through = np.repeat(np.rint(self._through * 255).astype(np.uint8), 3, axis=2)
        return through, np.rint(self._colour).astype(np.uint8)
