"""A decoder's step from a deep level to the next finer one, as LAVT and CGFormer have it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.layers.blocks import ConvBlock


class TopDownStep(nn.Module):
    """[deep, enlarged; fine] -> two 3 x 3 convolutions with batch norm and ReLU.

    (N, C_deep, h, w), (N, C_fine, H, W) -> (N, C, H, W). Enlarging is bilinear with corner cells on corner cells.
    """

    def __init__(self, deep: int, fine: int, channels: int, *, bias: bool = False) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            ConvBlock(deep + fine, channels, bias=bias), ConvBlock(channels, channels, bias=bias)
        )

    def forward(self, deep: Tensor, fine: Tensor) -> Tensor:
        return self.blocks(torch.cat([enlarged(deep, fine.shape[2], fine.shape[3]), fine], dim=1))


def enlarged(x: Tensor, height: int, width: int) -> Tensor:
    """(N, C, h, w) -> (N, C, height, width), bilinear, corner cells on corner cells."""
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=True)
