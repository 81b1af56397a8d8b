"""Maskers as whoever has an object's box asks them: for all that a network draws of it.

A box may be filled by a thing, by a part of it, or by two things: a network that knows that draws them all. Who asks
may know which is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Drawing:
    """One thing that may be meant by a box. Raises `ValueError` for a mask of another rank or type."""

    #: (H, W) bool, of the picture's size.
    mask: np.ndarray
    #: [0, 1], the overlap with the true mask that the network expects.
    quality: float

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(f"Drawing.mask: expected bool (H, W), got {self.mask.dtype} {self.mask.shape}")


class PromptableMasker(Protocol):
    """A network that draws what fills a box; it holds no state between calls."""

    def encoded(self, image: np.ndarray) -> Any:
        """(H, W, 3) uint8 RGB -> what `drawings` takes of the picture, for all boxes."""
        ...

    def drawings(self, encoded: Any, boxes_xyxy: Sequence[tuple[float, float, float, float]]) -> list[list[Drawing]]:
        """A picture and N boxes in its pixels -> N lists, all that the network draws of each, in its own order."""
        ...
