"""The language-free features of a frame, for propagators."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Stem:
    """Language-free features of one frame: cells (1, C0, h, w), one every `stride` pixels of the model's input."""

    cells: Tensor
    stride: int

    def __post_init__(self) -> None:
        if self.cells.ndim != 4 or len(self.cells) != 1:
            raise ValueError(f"Stem.cells: expected (1, C0, h, w), got {tuple(self.cells.shape)}")
