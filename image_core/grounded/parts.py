"""The three parts that `Grounded` is made of, as it asks for them. Whoever has such a network writes a class with that
one method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Detection:
    """One box of a detector.

    Raises `ValueError` for a box that is none, and for a score outside of [0, 1].
    """

    #: x0, y0, x1, y1 in pixels of the picture.
    box_xyxy: tuple[float, float, float, float]
    #: [0, 1].
    score: float
    #: The detector's own name of the class.
    label: str

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box_xyxy
        if not (np.isfinite(self.box_xyxy).all() and x0 < x1 and y0 < y1):
            raise ValueError(f"Detection.box_xyxy: expected finite x0 < x1 and y0 < y1, got {self.box_xyxy}")
        if not 0 <= self.score <= 1:
            raise ValueError(f"Detection.score: expected a number from 0 to 1, got {self.score}")


class Detector(Protocol):
    """Finds things of classes that it knows."""

    def detect(self, image: np.ndarray) -> list[Detection]:
        """(H, W, 3) uint8 RGB -> boxes in any order; [] where there is nothing."""
        ...


class Masker(Protocol):
    """Draws the thing that a box holds."""

    def masks(self, image: np.ndarray, boxes_xyxy: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """(H, W, 3) uint8 RGB and (N, 4) float pixels -> N masks (H, W) bool, each with its quality in [0, 1]."""
        ...


class Classifier(Protocol):
    """Names what a crop shows, in ImageNet's classes."""

    @property
    def synsets(self) -> Sequence[str]:
        """The 1,000 ids ("n02084071"), in the order of the columns."""
        ...

    def classify(self, image: np.ndarray, boxes_xyxy: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB and (N, 4) float pixels -> (N, 1000) probabilities, each row summing to 1."""
        ...
