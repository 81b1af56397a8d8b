"""Multi-scale deformable attention in plain PyTorch: each query samples a few points of several maps, bilinearly.

Source: "Deformable DETR" (Zhu et al., ICLR 2021), section 4.1. A sample is a weighted sum of the four cells around its
point, so all samples of a query are one bag of `embedding_bag`. On a CPU that reads memory in order, which
`grid_sample` does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.layers.many_rows import linear_many_rows
from image_core.layers.transformer import FeedForward


class Cells(NamedTuple):
    """The cells of maps of several sizes, flattened and concatenated."""

    sizes: tuple[tuple[int, int], ...]  # (h, w) of each map
    centres: Tensor  # (S, 2) float32, (x, y) of each cell in its map, in [0, 1]


def cells_of(sizes: Sequence[tuple[int, int]], device: torch.device) -> Cells:
    """All cells of maps of these sizes, row by row."""
    centres = []
    for h, w in sizes:
        y, x = ((torch.arange(n, device=device, dtype=torch.float32) + 0.5) / n for n in (h, w))
        centres.append(torch.stack([x[None].expand(h, w), y[:, None].expand(h, w)], -1).flatten(0, 1))
    return Cells(tuple(sizes), torch.cat(centres))


class DeformableAttention(nn.Module):
    """Each query samples `points` points in each of `levels` maps around its own centre, and takes a weighted sum.

      out = W_o sum_lp A_lp v_l(centre + offset_lp / size_l),  offsets = W_p q,  A = softmax over l and p of W_a q
    with v = W_v x, separately in each of `heads` heads. Points outside a map give zero. Offsets are (x, y), in cells.
    Raises `ValueError` for heads that do not divide the channels.
    """

    def __init__(self, channels: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"DeformableAttention: expected channels in multiples of {heads} heads, got {channels}")
        self.heads, self.levels, self.points = heads, levels, points
        self.offsets = nn.Linear(channels, heads * levels * points * 2)
        self.weights = nn.Linear(channels, heads * levels * points)
        self.values = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        for layer in (self.offsets, self.weights):  # published: zero, which at first gives queries no gradient
            nn.init.trunc_normal_(layer.weight, std=1e-3)
        nn.init.zeros_(self.weights.bias)
        angle = torch.arange(heads, dtype=torch.float32) * (2 * math.pi / heads)
        ways = torch.stack([angle.cos(), angle.sin()], -1)
        ways = ways / ways.abs().amax(-1, keepdim=True)  # a direction for each head; each point is one cell farther
        steps = torch.arange(1, points + 1, dtype=torch.float32)
        start = ways[:, None, None] * steps[None, None, :, None] * torch.ones(levels)[None, :, None, None]
        with torch.no_grad():
            self.offsets.bias.copy_(start.flatten())

    def forward(self, query: Tensor, x: Tensor, cells: Cells) -> Tensor:
        """query: (N, S, C), one for each cell of all maps; x: (N, S, C), what the maps hold -> (N, S, C)."""
        n, count, channels = query.shape
        shape = (n, count, self.heads, self.levels, self.points)
        # Positions are always in fp32: bfloat16 cannot count cells beyond the 256th, and rounds fractions coarsely.
        offsets = linear_many_rows(self.offsets, query).float().view(*shape, 2)
        share = linear_many_rows(self.weights, query).float().view(n, count, self.heads, -1).softmax(-1).view(shape)
        rows, weights = self._bags(cells, offsets, share)
        values = linear_many_rows(self.values, x)
        table = values.reshape(n * count * self.heads, channels // self.heads)
        read = F.embedding_bag(rows, table, per_sample_weights=weights.to(table.dtype), mode="sum")
        return linear_many_rows(self.out, read.view(n, count, channels))

    def _bags(self, cells: Cells, offsets: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """For each query and head, the rows of the value table around its points, and their weights: two
        (N * S * heads, 4 * levels * points)."""
        n, count = offsets.shape[:2]
        device = offsets.device
        size = torch.tensor(cells.sizes, device=device, dtype=torch.float32)
        length = torch.tensor([h * w for h, w in cells.sizes], device=device)
        begin = (length.cumsum(0) - length)[:, None]
        height, width = size[:, 0:1], size[:, 1:2]  # (levels, 1), beside (N, S, heads, levels, points)
        centre = cells.centres[:, None, None, None]
        x = centre[..., 0] * width + offsets[..., 0] - 0.5
        y = centre[..., 1] * height + offsets[..., 1] - 0.5
        left, top = x.floor(), y.floor()
        right_share, low_share = x - left, y - top
        first = torch.arange(n, device=device)[:, None, None, None, None] * count
        head = torch.arange(self.heads, device=device)[:, None, None]
        rows, weights = [], []
        for down in (0, 1):
            row = top + down
            by_row = share * (low_share if down else 1 - low_share) * ((row >= 0) & (row < height))
            row_start = begin + row.long().clamp(min=0).minimum(height.long() - 1) * width.long()
            for along in (0, 1):
                column = left + along
                inside = (column >= 0) & (column < width)
                weights.append(by_row * (right_share if along else 1 - right_share) * inside)
                cell = row_start + column.long().clamp(min=0).minimum(width.long() - 1)
                rows.append((first + cell) * self.heads + head)
        bags = n * count * self.heads
        return torch.stack(rows, -1).view(bags, -1), torch.stack(weights, -1).view(bags, -1)


class DeformableLayer(nn.Module):
    """x <- LN(x + DA(x + position)), x <- LN(x + FFN(x)): (N, S, C) cells of all maps -> the same shape."""

    def __init__(self, channels: int, heads: int, hidden: int, levels: int, points: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(channels, heads, levels, points)
        self.feed_forward = FeedForward(channels, hidden, dropout=0.0)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)

    def forward(self, x: Tensor, position: Tensor, cells: Cells) -> Tensor:
        """position: (1, S, C)."""
        x = self.norm1(x + self.attention(x + position, x, cells))
        return self.norm2(x + self.feed_forward(x))
