"""Mean, recall and decay over the frames of one object, as `davis2017/utils.py` computes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BINS = 4
_RECALL_THRESHOLD = 0.5


@dataclass(frozen=True)
class Statistics:
    """mean; recall: share of the frames above 0.5; decay: mean of the first quarter minus that of the last."""

    mean: float
    recall: float
    decay: float


def frame_statistics(values: np.ndarray, uint8_bins: bool = False) -> Statistics:
    """Statistics of J or F per frame, (T,) float. A NaN frame counts for neither mean nor decay, and is below 0.5
    for recall.

    The four bins share their border frames: bin i is the frames from b_i to b_(i+1), both included, b_i being
    (T - 1) i / 4 rounded half up. The reference keeps b_i in a uint8, which is wrong for 256 frames and more: its
    decay is then NaN or that of other frames. `uint8_bins` computes just that (as numpy 2 does), to compare with
    figures published for long videos. Raises `ValueError` when there is no frame.
    """
    if values.ndim != 1 or not len(values):
        raise ValueError(f"values: expected (T,) with at least one frame, got shape {values.shape}")
    borders = [((len(values) - 1) * i + _BINS // 2) // _BINS for i in range(_BINS + 1)]
    ends = [border + 1 for border in borders]
    if uint8_bins:
        borders = [border % 256 for border in borders]
        ends = [(border + 1) % 256 for border in borders]
    first, last = values[borders[0] : ends[1]], values[borders[-2] : ends[-1]]
    recall = float(np.mean(values > _RECALL_THRESHOLD))
    return Statistics(_mean(values), recall, _mean(first) - _mean(last))


def _mean(values: np.ndarray) -> float:
    valid = values[~np.isnan(values)]
    return float(valid.mean()) if len(valid) else float("nan")
