"""A decoder's step from a deep level to the next finer one, as LAVT and CGFormer have it."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.layers.blocks import ConvBlock


class TopDownStep(nn.Module):
    """[deep, enlarged; fine] -> two 3 x 3 convolutions with batch norm and ReLU.

    (N, C_deep, h, w), (N, C_fine, H, W) -> (N, C, H, W). Enlarging is bilinear with corner cells on corner cells. In
    use the deep level is mixed before it is enlarged, at a quarter of the cost (`convolved_enlarged`): the same, to
    rounding.
    """

    def __init__(self, deep: int, fine: int, channels: int, *, bias: bool = False) -> None:
        super().__init__()
        self.deep = deep
        self.blocks = nn.Sequential(
            ConvBlock(deep + fine, channels, bias=bias), ConvBlock(channels, channels, bias=bias)
        )

    def forward(self, deep: Tensor, fine: Tensor) -> Tensor:
        height, width = fine.shape[2:]
        if self.training:
            return self.blocks(torch.cat([enlarged(deep, height, width), fine], dim=1))
        first, second = (cast(ConvBlock, block) for block in self.blocks)
        conv, norm, relu = cast(nn.Conv2d, first[0]), first[1], first[2]
        of_deep, of_fine = conv.weight.split([self.deep, conv.in_channels - self.deep], dim=1)
        x = F.conv2d(fine, of_fine, conv.bias, padding=1) + convolved_enlarged(deep, of_deep, height, width)
        return second(relu(norm(x)))


def enlarged(x: Tensor, height: int, width: int) -> Tensor:
    """(N, C, h, w) -> (N, C, height, width), bilinear, corner cells on corner cells."""
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=True)


def convolved_enlarged(x: Tensor, kernel: Tensor, height: int, width: int) -> Tensor:
    """`F.conv2d(enlarged(x, height, width), kernel, padding=1)` for a 3 x 3 kernel (C_out, C, 3, 3).

    Mixing channels and enlarging commute, so each of the nine products is taken over the small map. What is left is a
    matrix for each axis: enlarge, shift by the place in the kernel, and add the three.
    """
    n, channels, h, w = x.shape
    c = len(kernel)
    products = kernel.permute(2, 0, 3, 1).reshape(9 * c, channels) @ x.reshape(n, channels, h * w)
    columns = products.view(n, 3 * c, 3, h, w).transpose(2, 3).reshape(n, 3 * c * h, 3 * w)
    rows = (columns @ _enlarge_and_shift(x, w, width)).view(n, 3, c, h, width).transpose(1, 2)
    return _enlarge_and_shift(x, h, height).T @ rows.reshape(n, c, 3 * h, width)


def _enlarge_and_shift(like: Tensor, n: int, size: int) -> Tensor:
    """(3 n, size): n cells enlarged to `size`; what stands one before, at, and one after each place. Beyond the ends
    stands zero."""
    one = torch.eye(n, device=like.device, dtype=like.dtype)[None]
    table = F.pad(F.interpolate(one, size=size, mode="linear", align_corners=True)[0], (1, 1))
    return torch.cat([table[:, i : i + size] for i in range(3)])
