"""An image with expressions and their true masks; how the shapes of arrays are checked. Light to import: no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Shaped(Protocol):
    """An array of NumPy or a tensor of torch."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its lengths."""
        ...


def check_shape(owner: str, name: str, value: Shaped, shape: tuple[int | None, ...]) -> None:
    """Raise `ValueError` unless `value` has the rank and the fixed lengths of `shape` (None = any length)."""
    got = tuple(value.shape)
    fits = len(got) == len(shape) and all(w is None or g == w for g, w in zip(got, shape, strict=True))
    if not fits:
        expected = "(" + ", ".join("any" if w is None else str(w) for w in shape) + ")"
        raise ValueError(f"{owner}.{name}: expected {expected}, got {got}")


@dataclass(frozen=True)
class ImageSample:
    """One image with its E expressions and their true masks. Raises `ValueError` for lengths that differ."""

    #: (H, W, 3) uint8 RGB.
    image: np.ndarray
    #: E texts.
    expressions: tuple[str, ...]
    #: (E, H, W) bool, all False where the expression has no target.
    masks: np.ndarray
    #: Unique in a split.
    sample_id: str
    #: E names of the kind of expression, "" if unknown.
    families: tuple[str, ...] = ()
    #: E names, unique in the split; filled from `sample_id` when left empty.
    expression_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_shape("ImageSample", "image", self.image, (None, None, 3))
        if self.image.dtype != np.uint8:
            raise ValueError(f"ImageSample.image: expected uint8, got {self.image.dtype}")
        e = len(self.expressions)
        check_shape("ImageSample", "masks", self.masks, (e, *self.image.shape[:2]))
        if self.masks.dtype != np.bool_:
            raise ValueError(f"ImageSample.masks: expected bool, got {self.masks.dtype}")
        if not self.families:
            object.__setattr__(self, "families", ("",) * e)
        if not self.expression_ids:
            object.__setattr__(self, "expression_ids", tuple(f"{self.sample_id}_{i}" for i in range(e)))
        for name in ("families", "expression_ids"):
            if len(getattr(self, name)) != e:
                raise ValueError(f"ImageSample.{name}: expected {e}, one an expression, got {len(getattr(self, name))}")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.image.shape[0], self.image.shape[1]
