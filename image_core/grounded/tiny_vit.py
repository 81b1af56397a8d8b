"""MobileSAM's image encoder (Zhang et al., 2023, section 3.2): TinyViT (Wu et al., 2022) under SAM's neck.

The blocks are timm's, with the batch norms folded into the convolutions before them, as the release has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from image_core.convert.state_dicts import Rule, load_weights, rename_keys
from image_core.errors import CheckpointError
from image_core.grounded.onnx_tensors import read_tensors
from image_core.vision_libraries import ConvNorm, LayerNorm2d, PatchMerging, TinyVit, TinyVitBlock

STRIDE = 16
"""Pixels per cell. TinyViT downsamples once more before its last stage; MobileSAM does not."""

_CONVOLUTIONS: tuple[Rule, ...] = tuple(
    (f"{theirs}/Conv:{index}", f"{ours}.{part}")
    for theirs, ours in (
        (r"patch_embed/seq/seq\.0/c", r"patch_embed.conv1"),
        (r"patch_embed/seq/seq\.2/c", r"patch_embed.conv2"),
        (r"layers\.0/blocks\.(\d+)/(conv\d)/c", r"stages.0.blocks.\1.\2"),
        (r"layers\.0/downsample/(conv\d)/c", r"stages.1.downsample.\1"),
        (r"layers\.1/downsample/(conv\d)/c", r"stages.2.downsample.\1"),
        (r"layers\.2/downsample/(conv\d)/c", r"stages.3.downsample.\1"),
        (r"layers\.([123])/blocks\.(\d+)/local_conv/c", r"stages.\1.blocks.\2.local_conv"),
    )
    for index, part in ((1, "weight"), (2, "bias"))
)
RULES: tuple[Rule, ...] = (
    *_CONVOLUTIONS,
    (r"layers\.([123])\.blocks\.(\d+)\.(attn|mlp)\.(\w+)\.(weight|bias)", r"stages.\1.blocks.\2.\3.\4.\5"),
    (r"layers\.([123])/blocks\.(\d+)/(attn|mlp)/(\w+)/MatMul:1", r"stages.\1.blocks.\2.\3.\4.weight"),
    (r"layers\.([123])/blocks\.(\d+)/attn/Constant_\d+", r"stages.\1.blocks.\2.attn.biases"),
    (r"neck\.([02])\.weight", r"neck.\1.weight"),
    (r"neck/neck\.([13])/Mul:0", r"neck.\1.weight"),
    (r"neck/neck\.([13])/Add_1:1", r"neck.\1.bias"),
)
"""Tensors of the released file -> parts of `ImageEncoder`. In timm, downsampling belongs to the stage after it."""


@dataclass(frozen=True)
class EncoderSizes:
    """Sizes of the encoder: those of the release, or of a stand-in."""

    #: Of the four stages.
    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    #: Of the last three stages, which attend; the first one is of convolutions.
    heads: tuple[int, int, int]
    windows: tuple[int, int, int]
    embedding: int


class ImageEncoder(nn.Module):
    """(B, 3, H, W), normalised, sides multiples of 16 -> embedding (B, C, H / 16, W / 16)."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        network = TinyVit(
            embed_dims=sizes.channels,
            depths=sizes.depths,
            num_heads=(1, *sizes.heads),
            window_sizes=(1, *sizes.windows),
            num_classes=0,
        )
        self.patch_embed = network.patch_embed
        self.stages = cast(nn.Sequential, network.stages)
        merging = cast(PatchMerging, self.stages[-1].get_submodule("downsample"))
        merging.conv2.conv.stride = (1, 1)
        for part in list(self.stages.modules()):
            if isinstance(part, TinyVitBlock):
                part.register_module("attn", WindowAttention(part.dim, part.num_heads, part.window_size**2))
        self.neck = nn.Sequential(
            nn.Conv2d(sizes.channels[-1], sizes.embedding, 1, bias=False),
            LayerNorm2d(sizes.embedding),
            nn.Conv2d(sizes.embedding, sizes.embedding, 3, padding=1, bias=False),
            LayerNorm2d(sizes.embedding),
        )
        _fold(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.neck(self.stages(self.patch_embed(x)))


class WindowAttention(nn.Module):
    """timm's `Attention` of TinyViT, with a bias for every pair of positions, as in the release.

    The biases have a batch axis: without it torch falls back to a slow attention kernel, which costs the whole encoder
    a fifth.
    """

    def __init__(self, channels: int, heads: int, positions: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.biases = nn.Parameter(torch.zeros(heads, positions, positions))

    def forward(self, x: Tensor) -> Tensor:
        """(B, places, C) -> the same."""
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (self.heads, 3, -1)).permute(3, 0, 2, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=self.biases[None])
        return self.proj(attended.transpose(1, 2).flatten(2))


def _fold(module: nn.Module) -> None:
    """Replace every convolution with a batch norm by one convolution with a bias."""
    for name, child in module.named_children():
        if isinstance(child, ConvNorm):
            setattr(module, name, child.fuse())
        else:
            _fold(child)


def read_encoder(path: Path) -> ImageEncoder:
    """The network of MobileSAM's `encoder.onnx`; its sizes are read off the tensors.

    Raises `CheckpointError` for a file that is not whole, or of another network.
    """
    state = rename_keys(read_tensors(path), RULES, str(path))
    network = ImageEncoder(_sizes(state, str(path)))
    load_weights(network, state, str(path))
    return network


def _sizes(state: Mapping[str, Tensor], source: str) -> EncoderSizes:
    def depth(stage: int) -> int:
        prefix = f"stages.{stage}.blocks."
        return len({key.removeprefix(prefix).partition(".")[0] for key in state if key.startswith(prefix)})

    try:
        biases = [state[f"stages.{stage}.blocks.0.attn.biases"] for stage in (1, 2, 3)]
        patches = state["patch_embed.conv2.weight"]
        merged = [state[f"stages.{stage}.downsample.conv1.weight"] for stage in (1, 2, 3)]
        embedding = state["neck.0.weight"]
    except KeyError as error:
        raise CheckpointError(
            f"{source}: expected MobileSAM's image encoder, got a model without its tensor {error}: get the model again"
        ) from error
    first, second, third = (len(one) for one in merged)
    one, two, three = ((len(bias), math.isqrt(bias.shape[-1])) for bias in biases)
    return EncoderSizes(
        channels=(len(patches), first, second, third),
        depths=(depth(0), depth(1), depth(2), depth(3)),
        heads=(one[0], two[0], three[0]),
        windows=(one[1], two[1], three[1]),
        embedding=len(embedding),
    )
