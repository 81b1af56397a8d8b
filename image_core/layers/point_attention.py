"""Point-modulated cross-attention: each query and head attends more to cells near a point that it predicts.

Source: Partial-RES (Qu et al., CVPR 2023), after SMCA (Gao et al., ICCV 2021). For the cell g of an image of `size`
cells without its padding, query q and head h, a small network on the query gives a centre p in [0, 1]^2 and a scale s
in R^2, and the attention logit gets
  b = - 1/8 * sum over x and y of s_d^2 (p_d * size_d - (g_d + 1/2))^2
Tokens of the memory that are no cells get no bias.

As published, the last layer starts at zero, which gives plain attention. But the scale enters squared: at zero its own
gradient and that of the centre are zero too, and nothing would ever be learned. The release initialises all matrices
of its transformer again afterwards, so that only the bias starts at zero. So it does here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.layers.transformer import Memory


@dataclass(frozen=True)
class ImageGrid:
    """Positions of the cells of N memories, in units of cells."""

    centres: Tensor  # (h w, 2) x, y, the first at 0.5, 0.5
    size: Tensor  # (N, 2) width and height without padding
    others: int  # tokens of the memory that come after its cells


def image_grid(memory: Memory) -> ImageGrid:
    """The grid of N memories. Raises `ValueError` for a memory without cells."""
    if memory.cells is None:
        raise ValueError("image_grid: expected a memory of an image, got one without cells")
    (h, w), tokens = memory.cells, memory.tokens
    y, x = (torch.arange(n, device=tokens.device, dtype=tokens.dtype) + 0.5 for n in (h, w))
    centres = torch.stack([x.repeat(h), y.repeat_interleave(w)], dim=1)
    valid = (~memory.pad_mask[:, : h * w]).view(-1, h, w)
    size = torch.stack([valid.any(1).sum(1), valid.any(2).sum(1)], dim=1)
    return ImageGrid(centres, size.to(tokens.dtype), tokens.shape[1] - h * w)


class PointModulation(nn.Module):
    """(N, T, C) queries -> (N, heads, T, M), the bias b of their attention. Network: C -> C/2 -> C/4 -> 4 heads.

    The first half of its output are the centres, x and y of each head in turn; the second half are the scales.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.mlp = nn.Sequential(
            nn.Linear(channels, channels // 2),
            nn.ReLU(),
            nn.Linear(channels // 2, channels // 4),
            nn.ReLU(),
            nn.Linear(channels // 4, 4 * heads),
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
        last = self.mlp[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.bias)

    def forward(self, queries: Tensor, grid: ImageGrid) -> Tensor:
        n, t, _ = queries.shape
        centre, scale = self.mlp(queries).view(n, t, 2, self.heads, 1, 2).unbind(2)
        away = centre.sigmoid() * grid.size[:, None, None, None] - grid.centres
        bias = (scale * away).square().sum(-1) / -8
        return F.pad(bias.transpose(1, 2), (0, grid.others))
