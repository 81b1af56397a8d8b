"""Convolution blocks, positions and attention, as the models share them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """k x k convolution (same size), batch norm, ReLU: (N, C_in, h, w) -> (N, C_out, h, w)."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3, *, bias: bool = False) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=bias),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )


def resize_to(x: Tensor, like: Tensor) -> Tensor:
    """`x` (N, C, h, w) bilinearly at the height and width of `like`; returned as it is when they agree."""
    size = like.shape[-2:]
    return x if x.shape[-2:] == size else F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def sine_position_2d(channels: int, h: int, w: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(1, channels, h, w): sines and cosines of the cell centres, half of the channels for y, half for x.

    Centres are scaled to (0, 2 pi), so that a position in the image has the same embedding at every resolution.
    Source: DETR (Carion et al. 2020), section A.4, normalised form. Raises `ValueError` unless channels divide by 4.
    """
    if channels % 4:
        raise ValueError(f"sine_position_2d: expected channels in multiples of 4, got {channels}")
    quarter = channels // 4
    frequency = 10000.0 ** (-torch.arange(quarter, device=device, dtype=torch.float32) / quarter)

    def code(n: int) -> Tensor:
        centres = (torch.arange(n, device=device, dtype=torch.float32) + 0.5) / n * (2 * math.pi)
        angle = centres[:, None] * frequency[None] * 4  # the fastest wave turns four times over the image
        return torch.cat([angle.sin(), angle.cos()], dim=1)

    y = code(h).T[:, :, None].expand(-1, h, w)
    x = code(w).T[:, None, :].expand(-1, h, w)
    return torch.cat([y, x], dim=0)[None].to(dtype)


class CrossAttention(nn.Module):
    """Multi-head attention with separate source widths: (B, Q, C) over (B, K, C_context) -> (B, Q, C)."""

    def __init__(self, channels: int, context_channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"CrossAttention: expected channels in multiples of heads ({heads}), got {channels}")
        self.heads = heads
        self.to_q = nn.Linear(channels, channels)
        self.to_kv = nn.Linear(context_channels, 2 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, context: Tensor, pad_mask: Tensor | None = None) -> Tensor:
        """`pad_mask` (B, K) bool, True on padding of the context."""
        return self.answered(self.to_q(x), context, pad_mask)

    def answered(self, queries: Tensor, context: Tensor, pad_mask: Tensor | None = None) -> Tensor:
        """The rest of `forward`, given its queries `to_q(x)`, (B, Q, C)."""
        q = split_heads(queries, self.heads)
        k, v = (split_heads(t, self.heads) for t in self.to_kv(context).chunk(2, dim=-1))
        return self.out(merge_heads(attend(q, k, v, None if pad_mask is None else pad_mask[:, None, None, :])))


def attend(q: Tensor, k: Tensor, v: Tensor, pad_mask: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v over (B, heads, Q, d) and (B, heads, K, d); `pad_mask` (broadcast, True =
    padding) or `bias` (B, heads, Q, K), not both.

    In bfloat16 on a CPU it is computed without the fused kernel, which is slower there on thousands of slices of a few
    dozen tokens.
    """
    if q.dtype is not torch.bfloat16 or q.device.type != "cpu":
        attn_mask = bias if pad_mask is None else ~pad_mask
        return F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias
    if pad_mask is not None:
        scores = scores.masked_fill(pad_mask, float("-inf"))
    return scores.softmax(-1).to(v.dtype) @ v


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, C) -> (B, heads, T, C / heads)."""
    b, t, c = x.shape
    return x.view(b, t, heads, c // heads).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, heads, T, d) -> (B, T, heads * d)."""
    b, heads, t, d = x.shape
    return x.transpose(1, 2).reshape(b, t, heads * d)


def presence_from_mask(mask_logits: Tensor, share: float = 0.005) -> Tensor:
    """(N,) presence logit of a model without a no-target head: the mean of its strongest mask logits.

    The strongest `share` of the cells of (N, h, w), at least one cell. A target that the model is sure of gives high
    logits somewhere, however small it is. Ours; calibrated like every presence.
    """
    flat = mask_logits.flatten(1)
    return flat.topk(max(1, round(share * flat.shape[1])), dim=1).values.mean(1)


def mask_score(mask_logits: Tensor) -> Tensor:
    """(N,) in [0, 1]: mean probability over the cells with probability > 0.5; 0 where there are none."""
    probs = mask_logits.sigmoid()
    inside = (mask_logits > 0).to(probs.dtype)
    return (probs * inside).flatten(1).sum(1) / inside.flatten(1).sum(1).clamp(min=1)
