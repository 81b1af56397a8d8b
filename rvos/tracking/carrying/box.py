"""Boxes in an image, and where an object lies in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from image_core.ranges import Range

Sizes = Annotated[float, Range(0, 100)]
"""A length in sizes of an object; its size is sqrt(area) + 4 pixels."""


@dataclass(frozen=True)
class Box:
    """A box in an image, in pixels; right and bottom are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Its rows and columns, to index with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.bottom - self.top, self.right - self.left

    def halved(self) -> Box:
        """The smallest box of the image at half size that holds this one."""
        return Box(self.left // 2, self.top // 2, -(-self.right // 2), -(-self.bottom // 2))


def box_of(inside: np.ndarray, margin: int = 0) -> Box:
    """The box of the True pixels of (h, w) bool, `margin` px wider on each side. Raises `ValueError` for none."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not len(rows):
        raise ValueError("box: expected a mask of at least one pixel, got an empty one")
    height, width = inside.shape
    return Box(
        max(0, int(columns[0]) - margin),
        max(0, int(rows[0]) - margin),
        min(width, int(columns[-1]) + 1 + margin),
        min(height, int(rows[-1]) + 1 + margin),
    )


def core_of(probs: np.ndarray) -> np.ndarray:
    """(h, w) bool: the pixels with a probability above 0.5; the most probable ones if there are none, as in a tiny
    object."""
    inside = probs > 0.5
    return inside if inside.any() else probs >= probs.max()


def centre_of(probs: np.ndarray) -> tuple[float, float]:
    """(x, y) of the centre of mass of (h, w) probabilities that are not all zero."""
    mass = float(probs.sum())
    x, y = np.arange(probs.shape[1], dtype=np.float32), np.arange(probs.shape[0], dtype=np.float32)
    return float(probs.sum(0) @ x) / mass, float(probs.sum(1) @ y) / mass
