"""What a model's presence is worth on a synthetic split: how well it parts, at a fixed T-acc, and whether it is what it
says."""

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
    said = [expression for index in range(len(data)) for expression in data.describe(index)[1]]
    presence = np.array([value for row in rows for value in row])
    if len(presence) != len(said):
        raise ValueError(f"{predictions}: expected the answers to {len(said)} expressions, got {len(presence)}")
    there = np.array([bool(e.targets) for e in said])
    threshold = np.quantile(presence[there], 1 - T_ACC, method="lower")
    return {
        "AUC": area_under_curve(presence, there),
        "N-acc_at_T-acc_0.95": float((presence[~there] < threshold).mean()),
        "share_with_target_by_tenth": _reliability(presence, there),
        "N-acc_of": _held_out(said, presence),
    }


def area_under_curve(scores: np.ndarray, truth: np.ndarray) -> float:
    """The chance that one of the true ones (N,) is above one of the others; a tie is half."""
    above = scores[truth][:, None] - scores[~truth][None]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def _reliability(presence: np.ndarray, there: np.ndarray) -> list[float | None]:
    tenth = np.minimum((presence * TENTHS).astype(int), TENTHS - 1)
    return [round(float(there[tenth == i].mean()), 3) if (tenth == i).any() else None for i in range(TENTHS)]


def _held_out(said: list[Expression], presence: np.ndarray) -> dict[str, float]:
    """Unseen pairs of shape and colour in known phrasings, and held-out phrasings; empty for the plain splits."""
    groups = {
        "unseen pairs": [names_held_out_pair(e.meaning) and not e.novel for e in said],
        "held-out phrasings": [e.novel for e in said],
    }
    absent = np.array([not e.targets for e in said])
    kept = {name: absent & np.array(rows) for name, rows in groups.items()}
    return {name: float((presence[rows] < 0.5).mean()) for name, rows in kept.items() if rows.any()}
