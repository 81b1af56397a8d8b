"""Swin v1's window attention as in its code for segmentation, for the blocks of timm.

timm follows the code for classification: it shifts a grid before padding it to whole windows, and does not shift a grid
that fits in one window. Networks for segmentation pad first and always shift. Their published weights need this form
wherever a grid is no multiple of the window. Everything here is NHWC.
Source: "Swin Transformer" (Liu et al., ICCV 2021), section 3.2; the order of padding and shift is that of the release.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.layers.blocks import attend, merge_heads
from image_core.layers.many_rows import linear_many_rows

_MASKED = -100.0
"""Attention bias between cells that share a window only because the shift is cyclic."""


def window_attention(block: Any, x: Tensor) -> Tensor:
    """SA(LN(x)) of a timm Swin v1 block, without the residual: (N, h, w, C) -> the same shape."""
    n, h, w, channels = x.shape
    (win_h, win_w), (shift_h, shift_w) = block.window_size, block.target_shift_size
    x = F.pad(block.norm1(x), (0, 0, 0, -w % win_w, 0, -h % win_h))
    rows, columns = x.shape[1] // win_h, x.shape[2] // win_w
    shifted = bool(shift_h or shift_w)
    if shifted:
        x = torch.roll(x, (-shift_h, -shift_w), (1, 2))
    x = x.view(n, rows, win_h, columns, win_w, channels).transpose(2, 3).reshape(-1, win_h * win_w, channels)
    attention = block.attn
    qkv = linear_many_rows(attention.qkv, x).view(len(x), win_h * win_w, 3, attention.num_heads, -1)
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    bias = attention._get_rel_pos_bias().to(q.dtype)
    if shifted:
        shift_mask = _shift_mask((rows, columns), (win_h, win_w), (shift_h, shift_w), q)
        bias = bias + shift_mask[:, None]
        bias = bias if n == 1 else bias.repeat(n, 1, 1, 1)
    x = attention.proj_drop(linear_many_rows(attention.proj, merge_heads(attend(q, k, v, bias=bias))))
    x = x.view(n, rows, columns, win_h, win_w, channels).transpose(2, 3)
    x = x.reshape(n, rows * win_h, columns * win_w, channels)
    if shifted:
        x = torch.roll(x, (shift_h, shift_w), (1, 2))
    return x[:, :h, :w]


def feed_forward(block: Any, x: Tensor) -> Tensor:
    """FFN(LN(x)) of such a block, without the residual: (N, h, w, C) -> the same shape."""
    mlp = block.mlp
    hidden = mlp.norm(mlp.drop1(mlp.act(linear_many_rows(mlp.fc1, block.norm2(x)))))
    return mlp.drop2(linear_many_rows(mlp.fc2, hidden))


def _shift_mask(windows: tuple[int, int], window: tuple[int, int], shift: tuple[int, int], like: Tensor) -> Tensor:
    """(rows * columns, cells, cells): the attention bias of each window of a shifted grid."""
    bands = []
    for count, size, by in zip(windows, window, shift, strict=True):
        position = torch.arange(count * size, device=like.device)
        bands.append((position >= (count - 1) * size).long() + (position >= count * size - by))
    region = (3 * bands[0][:, None] + bands[1]).view(windows[0], window[0], windows[1], window[1])
    region = region.transpose(1, 2).flatten(2).flatten(0, 1)
    return torch.where(region[:, None] == region[:, :, None], 0.0, _MASKED).to(like.dtype)
