"""The parts that a grounded model is made of. Another network becomes a part by a class with the same method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in continuous pixels of the image."""


@dataclass(frozen=True)
class Detection:
    """One box of a detector."""

    box_xyxy: Box  # pixels of the image
    score: float  # [0, 1]
    label: str  # the detector's own class name
    others: Mapping[str, float] = field(
        default_factory=dict[str, float]
    )  # its other names for what fills the box, scored


class Detector(Protocol):
    """Finds objects and names them."""

    def detect(self, image: np.ndarray) -> list[Detection]:
        """(H, W, 3) uint8 RGB -> boxes inside the image, the best first."""
        ...


@runtime_checkable
class PhraseDetector(Protocol):
    """Finds what phrases name: an open-vocabulary detector."""

    def detect_phrases(self, image: np.ndarray, phrases: Sequence[str]) -> list[list[Detection]]:
        """(H, W, 3) uint8 RGB and P phrases ("white car") -> P lists of boxes inside the image, the best first.

        The boxes of a phrase do not depend on the other phrases, and have the phrase as their label.
        """
        ...


class Masker(Protocol):
    """Segments the object that fills a box."""

    def masks(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> list[tuple[np.ndarray, float]]:
        """(H, W, 3) uint8 RGB and N boxes in pixels -> N pairs: mask (H, W) bool, and its quality in [0, 1]."""
        ...


class Classifier(Protocol):
    """Classifies what is inside a box."""

    synsets: tuple[str, ...]  # WordNet ids such as "n02084071"

    def classify(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> np.ndarray:
        """(H, W, 3) uint8 RGB and N boxes in pixels -> (N, 1000) float probabilities; rows sum to 1, and column i is of
        `synsets[i]`."""
        ...
