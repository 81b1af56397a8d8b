"""From the scores of expressions to the figures of `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rvos.evaluation.scoring import NO_PREDICTION, ExpressionRow
from rvos.metrics.bootstrap import mean_interval
from rvos.metrics.expression import mean_over_expressions
from rvos.metrics.presence import Presence


def headline(rows: Sequence[ExpressionRow]) -> list[ExpressionRow]:
    """The expressions that the figures at the top are over: those with a target; motion expressions, which no still
    image can tell, are figures apart."""
    return [row for row in rows if row.has_target and row.labels.get("kind") != "motion"]


def mean_figures(rows: Sequence[ExpressionRow]) -> dict[str, Any]:
    """J&F, J, F: means over expressions of the means over all scored frames; what was not predicted or broke counts 0.

    Besides: J&F over the frames where the target is visible, N-acc and T-acc counted over frames, tIoU, vIoU, and
    stability, over the expressions that could be scored. A mean over nothing is None.
    """
    means = mean_over_expressions({row.key: row.means for row in rows})
    scored = [row.scores for row in rows if row.scores is not None]
    figures = [scores.figures() for scores in scored]
    presence = sum((scores.presence for scores in scored), Presence(0, 0, 0, 0))
    return {
        **{name: means[name] for name in ("J&F", "J", "F")},
        "J&F_visible_frames": _mean([found["J&F"] for found in figures]),
        "N-acc_frames": presence.n_acc,
        "T-acc_frames": presence.t_acc,
        **{name: _mean([found[name] for found in figures]) for name in ("tIoU", "vIoU", "stability")},
        "expressions": len(rows),
    }


def breakdowns(rows: Sequence[ExpressionRow]) -> dict[str, dict[str, dict[str, Any]]]:
    """Label -> value -> figures, for every label that any expression has."""
    labels = list(dict.fromkeys(label for row in rows for label in row.labels))
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for label in labels:
        values = sorted({row.labels[label] for row in rows if label in row.labels})
        found[label] = {
            value: mean_figures([row for row in rows if row.labels.get(label) == value]) for value in values
        }
    return found


def sample_accuracies(rows: Sequence[ExpressionRow]) -> dict[str, float | None]:
    """N-acc: share of the expressions without target whose prediction is empty on every frame; T-acc: share of those
    with one whose prediction is not (MeViS v2, after Liu et al., "GRES", CVPR 2023)."""
    scored = [row.scores for row in rows if row.scores is not None]
    predicted = np.array([scores.predicted.any() for scores in scored], dtype=bool)
    presence = Presence.count(predicted, np.array([scores.visible.any() for scores in scored], dtype=bool))
    return {"N-acc": presence.n_acc, "T-acc": presence.t_acc}


def failures(rows: Sequence[ExpressionRow]) -> list[dict[str, str]]:
    """What broke while it was scored."""
    return [
        {"video": row.video_id, "expression": row.expression_id, "error": row.error}
        for row in rows
        if row.error is not None and row.error != NO_PREDICTION
    ]


def missing(rows: Sequence[ExpressionRow]) -> list[str]:
    """Expressions and frames without a prediction, <video>/<expression>[/<frame>]."""
    found = []
    for row in rows:
        if row.error == NO_PREDICTION:
            found.append(row.key)
        found += [f"{row.key}/{name}" for name in row.missing_frames]
    return found


def gain(ours: Sequence[ExpressionRow], baseline: Sequence[ExpressionRow], boundary: bool) -> dict[str, Any]:
    """Ours less the baseline's over the headline's expressions: mean, and its 95 % interval over videos; of J&F, or of
    J where the boundary is not scored."""
    before = {row.key: row.value(boundary) for row in baseline}
    rows = headline(ours)
    if not rows:
        return {"mean": None, "low": None, "high": None}
    differences = np.array([row.value(boundary) - before[row.key] for row in rows])
    found = mean_interval(differences, [row.video_id for row in rows])
    return {"mean": found.mean, "low": found.low, "high": found.high}


def _mean(values: Sequence[Any]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.mean(known)) if known else None
