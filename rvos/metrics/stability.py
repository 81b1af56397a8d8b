"""Temporal stability: does a mask change between frames as much as the true one does?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rvos.metrics.bitmaps import Bitmaps
from rvos.metrics.region import region_similarity


class Changes:
    """J of each mask with the one before it, of one sequence that comes frame by frame. Two empty masks are 1."""

    def __init__(self) -> None:
        self.overlaps: list[float] = []
        self._before: Bitmaps | None = None

    def add(self, mask: Bitmaps) -> None:
        """The next frame: one mask, the whole picture."""
        if self._before is not None:
            self.overlaps.append(float(region_similarity(self._before.words, mask.words)[0]))
        self._before = mask


def instability(predicted: Sequence[float], true: Sequence[float]) -> float | None:
    """Mean over frames of |IoU(P_t, P_t-1) - IoU(G_t, G_t-1)| in [0, 1], 0 is best; None when there is one frame only.

    Taken beside J, never alone: a mask that is wrong and moves as the true one does is perfectly stable.
    Raises `ValueError` when the two differ in length.
    """
    if len(predicted) != len(true):
        raise ValueError(f"overlaps: expected as many of both, got {len(predicted)} and {len(true)}")
    return float(np.mean(np.abs(np.subtract(predicted, true)))) if len(true) else None
