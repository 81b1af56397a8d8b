"""Temporal stability: does a mask change between frames as much as the true one does?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rvos.metrics.bitmaps import Bitmaps
from rvos.metrics.region import region_similarity


class ConsecutiveIou:
    """IoU of each mask with that of the previous frame, for one sequence, frame by frame. Two empty masks are 1."""

    def __init__(self) -> None:
        self.ious: list[float] = []
        self._previous: Bitmaps | None = None

    def add(self, mask: Bitmaps) -> None:
        """Add the mask of the next frame, a bitmap of the whole image."""
        if self._previous is not None:
            self.ious.append(float(region_similarity(self._previous.words, mask.words)[0]))
        self._previous = mask


def instability(predicted: Sequence[float], true: Sequence[float]) -> float | None:
    """Mean over frames of |IoU(P_t, P_t-1) - IoU(G_t, G_t-1)| in [0, 1], 0 is best; None when there is one frame only.

    Report it beside J, never alone: a wrong mask that moves as the true one does is perfectly stable.
    Raises `ValueError` when the two differ in length.
    """
    if len(predicted) != len(true):
        raise ValueError(f"IoUs: expected as many of both, got {len(predicted)} and {len(true)}")
    return float(np.mean(np.abs(np.subtract(predicted, true)))) if len(true) else None
