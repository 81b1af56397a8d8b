"""MobileNetV2 (Sandler et al., 2018) for inference: convolutions with a bias, into which the batch norms are folded.

Paddings are TensorFlow's "same": where a side is even, a stride of 2 pads right and below alone.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from image_core.vision_libraries import Conv2dSame, make_divisible

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks, and the stride of the first block."""

STRIDE_32 = 13
"""The block that goes from a stride of 16 to 32; its expanded input is the last and richest map at 16."""


class Convolution(Conv2dSame):
    """A convolution and ReLU6."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(super().forward(x))


def depthwise(channels: int, stride: int = 1) -> Convolution:
    """3x3 depthwise convolution, ReLU6."""
    return Convolution(channels, channels, 3, stride, groups=channels)


class InvertedResidual(nn.Module):
    """Expansion by `expansion`, depthwise convolution, projection; added to the input where the shapes are equal."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.hidden: int = inputs * expansion
        self.expand = Convolution(inputs, self.hidden, 1) if expansion > 1 else nn.Identity()
        self.depthwise = depthwise(self.hidden, stride)
        self.project = Conv2dSame(self.hidden, outputs, 1)
        self.adds = stride == 1 and inputs == outputs

    def narrow(self, expanded: Tensor) -> Tensor:
        """Everything after the expansion, without the sum."""
        return self.project(self.depthwise(expanded))

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(self.expand(x))
        return x + y if self.adds else y


class MobileNetV2(nn.Module):
    """(B, 3, H, W) in [-1, 1] -> maps at strides 16 and 32.

    width: factor of all channels, which are rounded to multiples of 8. channels: of the two maps (576 and 1280 at 1.0).
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        inputs = make_divisible(32 * width)
        self.stem = Convolution(3, inputs, 3, 2)
        blocks = []
        for expansion, channels, count, first_stride in STAGES:
            outputs = make_divisible(channels * width)
            for i in range(count):
                blocks.append(InvertedResidual(inputs, outputs, first_stride if i == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.channels = blocks[STRIDE_32].hidden, make_divisible(1280 * width)
        self.last = Convolution(inputs, self.channels[1], 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        for block in self.blocks[:STRIDE_32]:
            x = block(x)
        halving = cast(InvertedResidual, self.blocks[STRIDE_32])
        middle = halving.expand(x)
        x = halving.narrow(middle)
        for block in self.blocks[STRIDE_32 + 1 :]:
            x = block(x)
        return middle, self.last(x)
