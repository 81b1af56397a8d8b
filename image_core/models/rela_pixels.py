"""ReLA's pixel decoder: deformable attention among the cells of three levels; the result is added to the finest level.

Source: "Masked-attention Mask Transformer" (Cheng et al., CVPR 2022), section 4, as ReLA's release has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from image_core.layers.blocks import resize_to
from image_core.layers.deformable_attention import DeformableLayer, cells_of
from image_core.layers.transformer import sine_position_of_valid


class Pixels(NamedTuple):
    """The map that masks are computed on, and the maps that regions attend to."""

    features: Tensor  # (N, C, h, w) at stride 4
    levels: tuple[Tensor, ...]  # (N, C, h_i, w_i) at strides 32, 16, 8


class PixelDecoder(nn.Module):
    """Four levels of the encoder -> `Pixels`. Group norm has 32 groups, fewer in narrow models."""

    def __init__(
        self, widths: Sequence[int], channels: int, *, heads: int, hidden: int, layers: int, points: int
    ) -> None:
        super().__init__()
        finest, *rest = widths
        groups = math.gcd(32, channels)
        self.project = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, channels, 1), nn.GroupNorm(groups, channels)) for c in reversed(rest)
        )
        self.level_code = nn.Parameter(torch.randn(len(rest), channels))
        self.layers = nn.ModuleList(DeformableLayer(channels, heads, hidden, len(rest), points) for _ in range(layers))
        self.lateral = nn.Sequential(nn.Conv2d(finest, channels, 1, bias=False), nn.GroupNorm(groups, channels))
        self.smooth = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.GroupNorm(groups, channels), nn.ReLU()
        )
        self.features = nn.Conv2d(channels, channels, 1)

    def forward(self, levels: Sequence[Tensor]) -> Pixels:
        """Maps (N, C_i, h_i, w_i), fine to coarse."""
        finest, *rest = levels
        maps = [project(x) for project, x in zip(self.project, reversed(rest), strict=True)]
        positions = [sine_position(x) + code for x, code in zip(maps, self.level_code, strict=True)]
        sizes = [(x.shape[2], x.shape[3]) for x in maps]
        cells = cells_of(sizes, finest.device)
        x, position = torch.cat([m.flatten(2).transpose(1, 2) for m in maps], 1), torch.cat(positions, 1)
        for layer in self.layers:
            x = layer(x, position, cells)
        parts = x.split([h * w for h, w in sizes], dim=1)
        out = tuple(part.transpose(1, 2).unflatten(2, size) for part, size in zip(parts, sizes, strict=True))
        lateral = self.lateral(finest)
        return Pixels(self.features(self.smooth(lateral + resize_to(out[-1], lateral))), out)


def sine_position(x: Tensor) -> Tensor:
    """(1, h w, C): sine position embeddings of the cells of a map (N, C, h, w) without padding."""
    whole = torch.zeros(1, *x.shape[2:], dtype=torch.bool, device=x.device)
    return sine_position_of_valid(whole, x.shape[1], x.dtype)
