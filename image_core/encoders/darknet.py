"""DarkNet-53 as YOLOv3 has it, cut into a stem and stages. Modules keep the numbers of the published SeqTR files.

Modules 0 to 10 are DarkNet-53; 11 to 13 are the first convolutions of YOLOv3's detection branch, of which SeqTR reads
the last. Levels end at modules 4, 6, 8 and 13: strides 4, 8, 16, 32 with 128, 256, 512, 1024 channels.
Source: "YOLOv3: An Incremental Improvement" (Redmon and Farhadi 2018), table 1 and section 2.3; SeqTR (ECCV 2022).
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

LEVEL_ENDS = (4, 6, 8, 13)
"""The module that ends each level."""


class DarknetConv(nn.Module):
    """k x k convolution without bias, batch norm, leaky ReLU (0.1); stride 2 halves an even side."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)
        self.act = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class DarknetBlocks(nn.Module):
    """Blocks of a 1 x 1 convolution to half the channels and a 3 x 3 back; `residual` adds each block's input."""

    def __init__(self, channels: int, blocks: int, *, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.module_list = nn.ModuleList(
            nn.Sequential(DarknetConv(channels, channels // 2, 1), DarknetConv(channels // 2, channels, 3))
            for _ in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.module_list:
            x = x + block(x) if self.residual else block(x)
        return x


def darknet53(
    width: int = 32, blocks: tuple[int, int, int, int, int] = (1, 2, 8, 8, 4)
) -> tuple[list[nn.Sequential], tuple[int, ...]]:
    """The stem and the three stages, and the channels of the four levels (4, 8, 16 and 32 times `width`).

    width: channels of the first convolution; blocks: residual blocks after each halving. Raises `ValueError` for a
    width that is odd or other than five numbers of blocks.
    """
    if width < 2 or width % 2 or len(blocks) != 5 or min(blocks) < 1:
        raise ValueError(f"darknet53: expected an even width and five counts, got width {width} and blocks {blocks}")
    modules: list[nn.Module] = [DarknetConv(3, width, 3)]
    channels = width
    for count in blocks:
        modules.append(DarknetConv(channels, 2 * channels, 3, stride=2))
        channels *= 2
        modules.append(DarknetBlocks(channels, count, residual=True))
    modules.append(DarknetBlocks(channels, 2, residual=False))
    modules.append(DarknetConv(channels, channels // 2, 1))
    modules.append(DarknetConv(channels // 2, channels, 3))
    parts, start = [], 0
    for end in LEVEL_ENDS:
        parts.append(nn.Sequential(OrderedDict((str(i), modules[i]) for i in range(start, end + 1))))
        start = end + 1
    return parts, tuple(width * factor for factor in (4, 8, 16, 32))
