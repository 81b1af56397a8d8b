"""A decoder's step from a deep level to the next finer one, as LAVT and CGFormer have it.

Bilinear upsampling mixes positions but not channels; each of the nine taps of a 3 x 3 convolution mixes channels and
shifts by whole cells. So the taps can be multiplied on the small map, which has a quarter of the cells, and their
products then be upsampled, shifted and added; along each axis that is one matrix. The result is the same up to
rounding, borders included.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.layers.blocks import ConvBlock


class TopDownStep(nn.Module):
    """[deep, upsampled; fine] -> two 3 x 3 convolutions with batch norm and ReLU.

    (N, C_deep, h, w), (N, C_fine, H, W) -> (N, C, H, W). Upsampling is bilinear with aligned corners. In training mode
    these steps run in order; in eval mode `conv_of_upsampled` computes the deep part of the first convolution.
    """

    def __init__(self, deep: int, fine: int, channels: int, *, bias: bool = False) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            ConvBlock(deep + fine, channels, bias=bias), ConvBlock(channels, channels, bias=bias)
        )

    def forward(self, deep: Tensor, fine: Tensor) -> Tensor:
        height, width = fine.shape[2:]
        if self.training:
            return self.blocks(torch.cat([upsample(deep, height, width), fine], dim=1))
        first, second = cast(nn.Sequential, self.blocks[0]), self.blocks[1]
        convolution, *rest = cast("tuple[nn.Conv2d, nn.Module, nn.Module]", tuple(first))
        of_deep, of_fine = convolution.weight.split([deep.shape[1], fine.shape[1]], dim=1)
        x = F.conv2d(fine, of_fine, convolution.bias, padding=1) + conv_of_upsampled(deep, of_deep, height, width)
        for module in rest:
            x = module(x)
        return second(x)


def upsample(x: Tensor, height: int, width: int) -> Tensor:
    """(N, C, h, w) -> (N, C, height, width), bilinear, corners aligned."""
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=True)


def conv_of_upsampled(x: Tensor, weight: Tensor, height: int, width: int) -> Tensor:
    """The 3 x 3 convolution `weight` (C_out, C, 3, 3), zeros outside, of `enlarged(x, height, width)`.

    (N, C, h, w) -> (N, C_out, height, width).
    """
    n, channels, h, w = x.shape
    out = weight.shape[0]
    taps = weight.permute(2, 0, 3, 1).reshape(9 * out, channels)  # (row, C_out, column) by C
    products = (taps @ x.flatten(2)).view(n, 3, out, 3, h, w)
    columns, rows = shifted_upsampling(width, w, x), shifted_upsampling(height, h, x)
    widened = products.transpose(3, 4).reshape(n, 3, out, h, 3 * w) @ columns.T
    return rows @ widened.transpose(1, 2).reshape(n, out, 3 * h, width)


def shifted_upsampling(long: int, short: int, like: Tensor) -> Tensor:
    """(long, 3 short): three matrices that upsample an axis, for the taps one cell before, at and one after a cell."""
    steps = torch.eye(short, device=like.device, dtype=like.dtype)[None, :, :, None]
    grown = upsample(steps, long, 1)[0, :, :, 0].T
    return torch.cat([F.pad(grown, (0, 0, 1, 0))[:-1], grown, F.pad(grown, (0, 0, 0, 1))[1:]], dim=1)
