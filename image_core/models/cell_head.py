"""Which cells of the memory belong to what is meant, and where a contour may begin: ours, off in published models.

With encoders trained from scratch the tokens of a contour do not teach where the object is: the first point is a guess,
while the shape that follows a true first point is learned early. A head on the cells is taught so directly, and the
decoder's first step then reads the place that the head is surest of.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from image_core.layers.transformer import Memory
from image_core.losses import at_size, bce_loss, dice_loss


class CellHead(nn.Module):
    """One linear logit for each cell of a memory of C channels; `starts`: it also gives the decoder's first input."""

    def __init__(self, channels: int, starts: bool) -> None:
        super().__init__()
        self.logit = nn.Linear(channels, 1)
        self.start = nn.Linear(channels, channels) if starts else None

    def forward(self, memory: Memory) -> Memory:
        """The memory with its `cell_logits`, and with `start`, where it is given: a linear layer of the mean of z + pos
        over the cells, weighed by the softmax of their logits. Raises `ValueError` for a memory without cells."""
        if memory.cells is None:
            raise ValueError("CellHead: expected a memory of a picture, got one without cells")
        h, w = memory.cells
        cells = memory.tokens[:, : h * w]
        logits = self.logit(cells)[..., 0]
        start = None
        if self.start is not None:
            weights = logits.float().masked_fill(memory.pad_mask[:, : h * w], float("-inf")).softmax(1)
            placed = cells + memory.position[:, : h * w]
            start = self.start((weights.to(placed.dtype)[:, None] @ placed)[:, 0])
        return replace(memory, cell_logits=logits.unflatten(1, (h, w)), start=start)


def cell_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """(N, h, w) against the share of each cell that (N, H, W) masks cover: BCE, and dice where there is a target."""
    truth = at_size(masks, logits)
    has_target = (masks.flatten(1).amax(1) > 0).to(torch.float32)
    return bce_loss(logits, truth) + dice_loss(logits, truth, weight=has_target)
