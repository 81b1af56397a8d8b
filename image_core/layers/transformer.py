"""Post-norm transformer parts whose positions are added to queries and keys of every layer, never to values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.layers.blocks import merge_heads, split_heads
from image_core.layers.many_rows import linear_many_rows


@dataclass(frozen=True)
class Memory:
    """What a decoder attends to: M encoded tokens a row."""

    tokens: Tensor  # (N, M, C)
    position: Tensor  # (N, M, C), added to keys alone
    pad_mask: Tensor  # (N, M) bool, True on padding
    # (h, w) where the first h w tokens are the cells of an image, row by row; None: not known
    cells: tuple[int, int] | None = None
    cell_logits: Tensor | None = None  # (N, h, w), which cells belong to the target; None without a head for it
    start: Tensor | None = None  # (N, C), added to the input of the decoder's first step


class Attention(nn.Module):
    """Multi-head attention in two halves, so that keys and values can be cached: `keys_values`, then `forward`."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"Attention: expected channels in multiples of heads ({heads}), got {channels}")
        self.heads, self.dropout = heads, dropout
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def keys_values(self, keys_from: Tensor, values_from: Tensor) -> tuple[Tensor, Tensor]:
        """Two (N, K, C) -> keys and values, (N, heads, K, C / heads) each."""
        keys, values = linear_many_rows(self.to_k, keys_from), linear_many_rows(self.to_v, values_from)
        return split_heads(keys, self.heads), split_heads(values, self.heads)

    def forward(
        self, queries_from: Tensor, keys: Tensor, values: Tensor, masked: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        """(N, Q, C) over cached keys and values -> (N, Q, C). `masked` (broadcast to N, heads, Q, K): True = masked;
        `bias` (N, heads, Q, K): added to the logits."""
        q = split_heads(self.to_q(queries_from), self.heads)
        dropout = self.dropout if self.training else 0.0
        mask = ~masked if bias is None else bias.to(q.dtype).masked_fill(masked, -math.inf)
        attended = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, dropout_p=dropout)
        return self.out(merge_heads(attended))


class FeedForward(nn.Module):
    """C -> hidden -> C with ReLU and dropout between."""

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return linear_many_rows(self.linear2, self.dropout(F.relu(linear_many_rows(self.linear1, x))))


class EncoderLayer(nn.Module):
    """x <- LN(x + SA(x)), x <- LN(x + FFN(x)); queries and keys carry the position, values do not."""

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attention = Attention(channels, heads, dropout)
        self.feed_forward = FeedForward(channels, hidden, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, position: Tensor, pad_mask: Tensor) -> Tensor:
        """(N, M, C), (N, M, C), (N, M) bool, True on padding -> (N, M, C)."""
        x_with_position = x + position
        keys, values = self.self_attention.keys_values(x_with_position, x)
        x = self.norm1(x + self.dropout(self.self_attention(x_with_position, keys, values, pad_mask[:, None, None])))
        return self.norm2(x + self.dropout(self.feed_forward(x)))


def padding_cells(valid_px: Tensor, cells: tuple[int, int], stride: int) -> Tensor:
    """(N, 2) sizes -> (N, h, w) bool: a cell is padding where its first pixel is."""
    starts = [torch.arange(n, device=valid_px.device) * stride for n in cells]
    rows, columns = (s[None] >= valid_px[:, i, None] for i, s in enumerate(starts))
    return rows[:, :, None] | columns[:, None, :]


def sine_position_of_valid(pad_mask: Tensor, channels: int, dtype: torch.dtype) -> Tensor:
    """(N, h, w) bool, True on padding -> (N, h * w, channels): half of the channels for y, half for x.

    Cells are counted from 1 along each axis, padding excluded, and scaled so that the last one that is no padding is at
    2 pi: a position has the same embedding whatever the padding. Sines and cosines alternate, wavelengths rise to
    10,000 times 2 pi. Source: DETR (Carion et al. 2020), section A.4. Raises `ValueError` unless channels divide by 4.
    """
    if channels % 4:
        raise ValueError(f"sine_position_of_valid: expected channels in multiples of 4, got {channels}")
    half = channels // 2
    valid = (~pad_mask).float()
    pairs = torch.arange(half, device=pad_mask.device, dtype=torch.float32).div(2, rounding_mode="floor")
    wavelength = 10000.0 ** (2 * pairs / half)

    def code(axis: int) -> Tensor:
        index = valid.cumsum(axis)
        last = index.narrow(axis, index.shape[axis] - 1, 1)
        angle = (index / (last + 1e-6) * (2 * math.pi))[..., None] / wavelength
        return torch.stack([angle[..., 0::2].sin(), angle[..., 1::2].cos()], -1).flatten(-2)

    return torch.cat([code(1), code(2)], -1).flatten(1, 2).to(dtype)
