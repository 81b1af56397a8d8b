"""The presence of a model on a synthetic split: how well it separates present from absent, at a fixed T-acc, and its
calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from image_core.json_lines import read_lines
from image_core.synthetic.dataset import SyntheticImages
from image_core.synthetic.expressions import Expression, names_held_out_pair

T_ACC = 0.95
TENTHS = 10


def presence_figures(split: str, predictions: Path) -> dict[str, Any]:
    """AUC, N-acc at a T-acc of 0.95 (the threshold taken from this split, so that models can be compared), the share
    with a target in each tenth of presence, and N-acc (at 0.5) of what is held out of training.

    predictions: `predictions.jsonl` of an evaluation of the whole split, its own expressions.
    """
    rows = read_lines(predictions, lambda line: [row["presence"] for row in line["predictions"]], "remove the line")
    data = SyntheticImages(split)
    expressions = [expression for index in range(len(data)) for expression in data.describe(index)[1]]
    presence = np.array([value for row in rows for value in row])
    if len(presence) != len(expressions):
        raise ValueError(f"{predictions}: expected the answers to {len(expressions)} expressions, got {len(presence)}")
    is_present = np.array([bool(e.targets) for e in expressions])
    threshold = np.quantile(presence[is_present], 1 - T_ACC, method="lower")
    return {
        "AUC": area_under_curve(presence, is_present),
        "N-acc_at_T-acc_0.95": float((presence[~is_present] < threshold).mean()),
        "share_with_target_by_tenth": _reliability(presence, is_present),
        "N-acc_of": _held_out(expressions, presence),
    }


def area_under_curve(scores: np.ndarray, truth: np.ndarray) -> float:
    """The probability that the score of a positive is above that of a negative; a tie counts half. truth: (N,)."""
    above = scores[truth][:, None] - scores[~truth][None]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def _reliability(presence: np.ndarray, is_present: np.ndarray) -> list[float | None]:
    tenth = np.minimum((presence * TENTHS).astype(int), TENTHS - 1)
    return [round(float(is_present[tenth == i].mean()), 3) if (tenth == i).any() else None for i in range(TENTHS)]


def _held_out(expressions: list[Expression], presence: np.ndarray) -> dict[str, float]:
    """Unseen pairs of shape and colour in known phrasings, and held-out phrasings; empty for the plain splits."""
    groups = {
        "unseen pairs": [names_held_out_pair(e.meaning) and not e.novel for e in expressions],
        "held-out phrasings": [e.novel for e in expressions],
    }
    absent = np.array([not e.targets for e in expressions])
    kept = {name: absent & np.array(rows) for name, rows in groups.items()}
    return {name: float((presence[rows] < 0.5).mean()) for name, rows in kept.items() if rows.any()}
