"""Stages of timm's Swin v1/v2 whose blocks can be stepped and cut in two, and a convolutional stem for small ones.

Everything here is NHWC, as Swin is inside timm.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from image_core.encoders.segmentation_windows import feed_forward, window_attention
from image_core.layers.many_rows import use_linear_many_rows
from image_core.layers.processor import has_avx512
from image_core.vision_libraries import SwinTransformerStage, SwinTransformerV2Stage


class SwinStage(nn.Module):
    """A stage of timm's Swin v1/v2 that computes at any size what it would compute if built for that size.

    Along an axis whose cells fit in one window nothing is shifted; timm decides that once, for the size it was built
    at. A grid smaller than the window is padded up to it: the trained window and its position table stay whole.

    Networks for segmentation have windows of another form, see `use_segmentation_windows`.

    A block is x <- r + FFN(r) with r = x + SA(x); `attend` gives SA(x), shift, windows and norms included, and
    `feed_forward` the rest. v1 normalises what goes into SA and FFN, v2 what comes out of them.
    """

    def __init__(self, stage: SwinTransformerStage | SwinTransformerV2Stage) -> None:
        super().__init__()
        self.downsample = stage.downsample
        self.blocks = stage.blocks
        self._norms_follow = isinstance(stage, SwinTransformerV2Stage)
        self._segmentation_windows = False
        use_linear_many_rows(self)

    def train(self, mode: bool = True) -> Self:
        """In eval mode windows use torch's fused attention kernel, which timm does not use by default. The result is
        the same to 1e-7, in up to a third less time. Of processors only those with AVX-512 gain by it and use it. The
        device is looked up here, so a network is moved to its device first. In training the table of positions needs
        a gradient, with which the kernel takes longer."""
        fused = not mode and (next(self.parameters()).device.type != "cpu" or has_avx512())
        for block in self.blocks:
            if hasattr(block.attn, "fused_attn"):  # of Swin v1 alone
                cast(Any, block.attn).fused_attn = fused
        return super().train(mode)

    def use_segmentation_windows(self) -> None:
        """From now on windows are those of `segmentation_windows.py`. Raises `ValueError` for Swin v2."""
        if self._norms_follow:
            raise ValueError("expected a Swin v1, which alone has windows in a form for segmentation, got a Swin v2")
        self._segmentation_windows = True

    @property
    def depth(self) -> int:
        """How many blocks it has."""
        return len(self.blocks)

    def heads(self, i: int) -> int:
        """Attention heads of block `i`."""
        return cast(int, cast(Any, self.blocks[i]).attn.num_heads)

    def forward(self, x: Tensor, blocks: int | None = None) -> Tensor:
        """(N, h, w, C) of the stage before -> this stage's cells after its first `blocks` blocks; None: all blocks."""
        x = self.downsample(x)
        for i, block in enumerate(list(self.blocks)[:blocks]):
            if self._segmentation_windows:
                x = self.feed_forward(i, x + self.attend(i, x))
            else:
                x = _with_fitting_shift(block, x.shape[1:3])(x)
        return x

    def attend(self, i: int, x: Tensor) -> Tensor:
        """SA(x) of block `i`, without the residual: (N, h, w, C) -> the same shape."""
        if self._segmentation_windows:
            block: Any = self.blocks[i]
            return block.drop_path1(window_attention(block, x))
        block = _with_fitting_shift(self.blocks[i], x.shape[1:3])
        if self._norms_follow:
            return block.drop_path1(block.norm1(block._attn(x)))
        return block.drop_path1(block._attn(block.norm1(x)))

    def feed_forward(self, i: int, r: Tensor) -> Tensor:
        """r + FFN(r) of block `i`: (N, h, w, C) -> the same shape."""
        block: Any = self.blocks[i]
        if self._segmentation_windows:
            return r + block.drop_path2(feed_forward(block, r))
        if self._norms_follow:
            return r + block.drop_path2(block.norm2(block.mlp(r)))
        return r + block.drop_path2(block.mlp(block.norm2(r)))


def _with_fitting_shift(block: Any, grid: Sequence[int]) -> Any:
    """The Swin block whose shift suits a grid of (h, w) cells. A shallow copy shares every weight and leaves `block` as
    it was, so threads that run one encoder at different sizes cannot disturb each other."""
    shift = tuple(0 if g <= w else s for g, w, s in zip(grid, block.window_size, block.shift_size, strict=True))
    if shift == tuple(block.shift_size):
        return block
    fitted = copy.copy(block)
    fitted.shift_size = shift
    return fitted


class ConvStem(nn.Module):
    """Patch embedding of timm's Swin in convolutions: two of stride 2 and one of stride 1, each 3x3 with batch norm and
    ReLU. Trained from scratch on few images, edges and colours are then learnt in a fraction of the steps
    ("Early Convolutions Help Transformers See Better", Xiao et al. 2021).

    Takes timm's keywords for a patch embedding; what it does not need is ignored.
    """

    def __init__(
        self,
        *,
        img_size: int | tuple[int, int],
        patch_size: int,
        in_chans: int,
        embed_dim: int,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        **_: Any,
    ) -> None:
        super().__init__()
        if patch_size != 4:
            raise ValueError(f"ConvStem.patch_size: expected 4, got {patch_size}")
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.grid_size = (height // 4, width // 4)
        layers: list[nn.Module] = []
        for inputs, outputs, stride in (
            (in_chans, embed_dim // 2, 2),
            (embed_dim // 2, embed_dim, 2),
            (embed_dim,) * 2 + (1,),
        ):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False, device=device, dtype=dtype),
                nn.BatchNorm2d(outputs, device=device, dtype=dtype),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """(F, 3, H, W) -> (F, H/4, W/4, C)."""
        return self.layers(images).permute(0, 2, 3, 1)
