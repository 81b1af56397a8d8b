"""Co-content teacher forcing: a coordinate token also reads the image's features along the line that it names.

Source: Partial-RES (Qu et al., CVPR 2023). The token of an x gets the mean of the memory's column there, the token of a
y the mean of its row, in training (true tokens) and in testing (the model's own).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from image_core.layers.transformer import Memory


@dataclass(frozen=True)
class Lines:
    """Means of N memories along their columns and rows, computed once for each memory.

    With `transposed`, h and w are swapped.
    """

    x: Tensor  # (N, w, C), the mean of each column, read by an x
    y: Tensor  # (N, h, C), the mean of each row, read by a y
    last_x: Tensor  # (N, 1) long, the last column that is no padding
    last_y: Tensor  # (N, 1) long, the last row that is no padding


@dataclass(frozen=True)
class CoContent:
    """Co-content teacher forcing: what a coordinate token reads of the image."""

    bins: int  # values of a coordinate; `bins` itself is the end
    transposed: bool = False  # an x reads a row and a y a column, as the release has it

    def lines(self, memory: Memory) -> Lines:
        """Means over the cells that are no padding. Raises `ValueError` for a memory without cells."""
        if memory.cells is None:
            raise ValueError("CoContent: expected a memory of an image, got one without cells")
        h, w = memory.cells
        valid = (~memory.pad_mask[:, : h * w]).view(-1, h, w)
        cells = memory.tokens[:, : h * w].view(-1, h, w, memory.tokens.shape[2]) * valid[..., None]
        height, width = (valid.any(axis).sum(1, keepdim=True) for axis in (2, 1))
        columns = cells.sum(1) / height[..., None]
        rows = cells.sum(2) / width[..., None]
        if self.transposed:
            return Lines(rows, columns, height - 1, width - 1)
        return Lines(columns, rows, width - 1, height - 1)

    def read(self, tokens: Tensor, first: int, lines: Lines) -> Tensor:
        """T tokens (N, T) long of sequences x1, y1, x2, ..., from position `first` on -> (N, T, C).

        Of n lines a token reads line floor(token / bins * (n - 1)). So the end token reads the last one, as published.
        """

        def line(means: Tensor, last: Tensor) -> Tensor:
            index = (tokens * last).div(self.bins, rounding_mode="floor")
            return means.gather(1, index[..., None].expand(-1, -1, means.shape[2]))

        is_x = (torch.arange(first, first + tokens.shape[1], device=tokens.device) % 2 == 0)[:, None]
        return torch.where(is_x, line(lines.x, lines.last_x), line(lines.y, lines.last_y))
