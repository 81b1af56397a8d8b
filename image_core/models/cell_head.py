"""A head on the memory's cells: which of them belong to the target, and where the contour starts. Ours.

With encoders trained from scratch, the loss on contour tokens does not teach where the object is: the first point stays
a guess, while the shape that follows a true first point is learned early. The head is supervised with the mask itself,
and the decoder's first step can read the position that the head is most certain of. Off in published models.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from image_core.layers.transformer import Memory
from image_core.losses import at_size, bce_loss, dice_loss


class CellHead(nn.Module):
    """One linear logit for each cell of a memory of C channels. `starts`: it also makes the decoder's first input."""

    def __init__(self, channels: int, starts: bool) -> None:
        super().__init__()
        self.logit = nn.Linear(channels, 1)
        self.start = nn.Linear(channels, channels) if starts else None

    def forward(self, memory: Memory) -> Memory:
        """The memory with `cell_logits` (N, h, w), and with `starts` also with `start` (N, C): a linear layer of the
        mean of z + pos over the cells, weighted by the softmax of their logits. Raises `ValueError` for a memory
        without cells."""
        if memory.cells is None:
            raise ValueError("CellHead: expected a memory of an image, got one without cells")
        h, w = memory.cells
        cells = memory.tokens[:, : h * w]
        logits = self.logit(cells)[..., 0]
        start = None
        if self.start is not None:
            weights = logits.float().masked_fill(memory.pad_mask[:, : h * w], float("-inf")).softmax(1)
            cells_with_position = cells + memory.position[:, : h * w]
            start = self.start((weights.to(cells_with_position.dtype)[:, None] @ cells_with_position)[:, 0])
        return replace(memory, cell_logits=logits.unflatten(1, (h, w)), start=start)


def cell_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Logits (N, h, w) against the share of each cell that the masks (N, H, W) cover: BCE, plus dice over the rows that
    have a target."""
    truth = at_size(masks, logits)
    has_target = (masks.flatten(1).amax(1) > 0).to(torch.float32)
    return bce_loss(logits, truth) + dice_loss(logits, truth, weight=has_target)
