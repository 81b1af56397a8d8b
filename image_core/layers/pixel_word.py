"""Pixel-word attention: fuses a level of the vision encoder with the words, and gates what the next stage gets of it.

Source: LAVT (Yang et al., CVPR 2022), section 3.1; CGFormer and ReLA have the same inside their backbones. Written from
a description of its formulas, and agrees with the figures of all three releases (parity tests).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.layers.blocks import attend, merge_heads, split_heads
from image_core.layers.many_rows import linear_many_rows


class PixelWordAttention(nn.Module):
    """Every pixel gathers the words it attends to, and is multiplied with what it gathered.

      q = IN(W_q x),  k, v = W_k t, W_v t,  g = IN(W_o softmax(q k^T / sqrt(C)) v),  y = GELU(W_m (GELU(W_x x) * g))
    x: the pixels, t: the words; the softmax is over words, padding left out. IN normalises each channel over all pixels
    of its image, padding included. The scale has all C channels however many `heads` there are, as published.

    Raises `ValueError` for heads that do not divide the channels.
    """

    def __init__(self, channels: int, text_channels: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ValueError(f"fusion_heads: expected divisors of the encoder's channels ({channels}), got {heads}")
        self.heads = heads
        self.pixels = nn.Linear(channels, channels)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(text_channels, channels)
        self.value = nn.Linear(text_channels, channels)
        self.out = nn.Linear(channels, channels)
        self.mix = nn.Linear(channels, channels)

    def forward(self, x: Tensor, words: Tensor, word_pad_mask: Tensor) -> Tensor:
        """(N, P, C) pixels, (N, L, C_text) words, (N, L) bool, True on padding -> (N, P, C)."""
        # `attend` divides by the root of a head's channels; the rest of the scale goes to the queries.
        q = instance_norm(linear_many_rows(self.query, x)) * self.heads**-0.5
        q, k, v = (split_heads(y, self.heads) for y in (q, self.key(words), self.value(words)))
        gathered = merge_heads(attend(q, k, v, pad_mask=word_pad_mask[:, None, None]))
        language = instance_norm(linear_many_rows(self.out, gathered))
        return F.gelu(linear_many_rows(self.mix, F.gelu(linear_many_rows(self.pixels, x)) * language))


class LanguageGate(nn.Module):
    """x + tanh(W_2 ReLU(W_1 y)) * y: gates the language features for the next stage. (N, P, C) twice -> (N, P, C).

    Both matrices start at random (standard deviation 0.02), as in LAVT. ReLA's release starts both at zero, where
    neither ever gets a gradient.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Linear(channels, channels, bias=False)
        self.second = nn.Linear(channels, channels, bias=False)
        for layer in (self.first, self.second):
            nn.init.trunc_normal_(layer.weight, std=0.02)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + torch.tanh(linear_many_rows(self.second, F.relu(linear_many_rows(self.first, y)))) * y


def instance_norm(x: Tensor) -> Tensor:
    """Instance norm of (N, P, C): each channel to mean 0 and variance 1 over its pixels; a single pixel gives 0."""
    variance, mean = torch.var_mean(x, dim=1, keepdim=True, correction=0)
    return (x - mean) * torch.rsqrt(variance + 1e-5)
