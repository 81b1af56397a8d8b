"""Presence calibration: two numbers, fitted on a validation split, that make presence a probability one can compare."""

from __future__ import annotations

import numpy as np


def fit_presence(
    logits: np.ndarray, has_target: np.ndarray, keep: float = 0.96, iterations: int = 50
) -> tuple[float, float]:
    """(scale, offset) such that sigmoid(scale * logit + offset) is the probability of a target.

    Platt scaling (logistic regression by Newton steps, with Platt's smoothed labels), after which the offset is raised
    where needed so that the threshold 0.5 keeps at least a share `keep` of the expressions with a target: losing a
    target costs its whole mask. logits (N,) float, has_target (N,) bool. With one kind of expression only there is
    nothing to fit: (1, 0).
    """
    positive = int(has_target.sum())
    negative = len(has_target) - positive
    if not positive or not negative:
        return 1.0, 0.0
    target = np.where(has_target, (positive + 1) / (positive + 2), 1 / (negative + 2))
    spread = float(logits.std()) or 1.0
    design = np.stack([logits / spread, np.ones_like(logits)], axis=1).astype(np.float64)
    weights = np.zeros(2)
    for _ in range(iterations):
        probs = 1 / (1 + np.exp(-(design @ weights)))
        gradient = design.T @ (probs - target)
        curvature = (design * (probs * (1 - probs))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    scale, offset = float(weights[0] / spread), float(weights[1])
    if scale <= 0:  # a head that has learned nothing yet: leave it as it is
        return 1.0, 0.0
    lowest_kept = float(np.quantile(logits[has_target], 1 - keep))
    return scale, max(offset, -scale * lowest_kept)
