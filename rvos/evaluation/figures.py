"""Computes the figures of `metrics.json` from the scores of expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rvos.evaluation.scoring import NO_PREDICTION, ExpressionRow
from rvos.metrics.bootstrap import mean_interval
from rvos.metrics.expression import mean_over_expressions
from rvos.metrics.presence import Presence


def headline(rows: Sequence[ExpressionRow]) -> list[ExpressionRow]:
    """The expressions of the main figures: those that have a target by the metadata of the dataset. In synthetic data
    those whose target only its motion tells are left out, because a still image does not show it."""
    return [row for row in rows if row.has_target and not row.motion]


def mean_figures(rows: Sequence[ExpressionRow], boundary: bool = True) -> dict[str, Any]:
    """J&F, J, F, tIoU and vIoU: means over expressions; one without a prediction, or whose scoring failed, counts 0.

    In addition, over the expressions that could be scored: J&F over the frames where the target is visible, N-acc and
    T-acc over frames, and stability. boundary: False returns "IoU" and T-acc alone. A mean over nothing is None.
    """
    means = mean_over_expressions({row.key: row.means for row in rows})
    scored = [row.scores for row in rows if row.scores is not None]
    figures = [scores.figures() for scores in scored]
    presence = sum((scores.presence for scores in scored), Presence(0, 0, 0, 0))
    if not boundary:
        return {"IoU": means["J"], "T-acc_frames": presence.t_acc, "expressions": len(rows)}
    failed = [0.0] * (len(rows) - len(scored))
    return {
        **{name: means[name] for name in ("J&F", "J", "F")},
        "J&F_visible_frames": mean_of_known([each["J&F"] for each in figures]),
        "N-acc_frames": presence.n_acc,
        "T-acc_frames": presence.t_acc,
        **{name: mean_of_known([*(each[name] for each in figures), *failed]) for name in ("tIoU", "vIoU")},
        "stability": mean_of_known([each["stability"] for each in figures]),
        "expressions": len(rows),
    }


def breakdowns(rows: Sequence[ExpressionRow], boundary: bool = True) -> dict[str, dict[str, dict[str, Any]]]:
    """Label -> value -> figures, for every label of the expressions."""
    labels = list(dict.fromkeys(label for row in rows for label in row.labels))
    blocks: dict[str, dict[str, dict[str, Any]]] = {}
    for label in labels:
        values = sorted({row.labels[label] for row in rows if label in row.labels})
        parts = {value: [row for row in rows if row.labels.get(label) == value] for value in values}
        blocks[label] = {value: mean_figures(part, boundary) for value, part in parts.items()}
    return blocks


def sample_accuracies(rows: Sequence[ExpressionRow]) -> dict[str, float | None]:
    """N-acc: share of the expressions without a target whose prediction is empty on every frame; T-acc: share of those
    with a target whose prediction is not (MeViS v2, after Liu et al., "GRES", CVPR 2023). A missing prediction counts
    as wrong."""
    correct = [row.scores is not None and bool(row.scores.predicted.any()) == row.has_target for row in rows]
    targets = [each for row, each in zip(rows, correct, strict=True) if row.has_target]
    absences = [each for row, each in zip(rows, correct, strict=True) if not row.has_target]
    return {"N-acc": mean_of_known(absences), "T-acc": mean_of_known(targets)}


def failures(rows: Sequence[ExpressionRow]) -> list[dict[str, str]]:
    """The expressions whose scoring failed."""
    return [
        {"video": row.video_id, "expression": row.expression_id, "error": row.error}
        for row in rows
        if row.error is not None and row.error != NO_PREDICTION
    ]


def missing(rows: Sequence[ExpressionRow]) -> list[str]:
    """Expressions and frames without a prediction, <video>/<expression>[/<frame>]."""
    names = []
    for row in rows:
        if row.error == NO_PREDICTION:
            names.append(row.key)
        names += [f"{row.key}/{name}" for name in row.missing_frames]
    return names


def gain(ours: Sequence[ExpressionRow], baseline: Sequence[ExpressionRow], boundary: bool) -> dict[str, Any]:
    """The paired difference to the baseline over the expressions of `headline`, with its 95 % interval over videos: of
    J&F, or of J if the boundary is not scored."""
    baseline_values = {row.key: row.value(boundary) for row in baseline}
    rows = headline(ours)
    if not rows:
        return {"mean": None, "low": None, "high": None}
    differences = np.array([row.value(boundary) - baseline_values[row.key] for row in rows])
    interval = mean_interval(differences, [row.video_id for row in rows])
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def mean_of_known(values: Sequence[Any]) -> float | None:
    """The mean of the values that are not None; None if there are none."""
    numbers = [float(value) for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None
