"""Presence calibration: two numbers, fitted on a validation split, that make presence a probability one can compare."""

from __future__ import annotations

import numpy as np


def fit_presence(
    logits: np.ndarray, has_target: np.ndarray, keep: float = 0.96, iterations: int = 50
) -> tuple[float, float]:
    """(scale, offset) such that sigmoid(scale * logit + offset) is the probability of a target, at even odds.

    logits: (N,) float; has_target: (N,) bool; keep: least share of the expressions with a target that the threshold 0.5
    keeps, since losing a target costs its whole mask: the offset is raised where needed. With one kind of expression
    alone there is nothing to fit: (1, 0).

    Platt scaling, after Lin, Lin and Weng (2007): Newton steps are halved until they help, since plain ones can diverge
    where the classes are far apart. Expressions with and without a target weigh the same, however many there are of
    each: nobody knows how often a target is absent in use.
    """
    positive = int(has_target.sum())
    negative = len(has_target) - positive
    if not positive or not negative:
        return 1.0, 0.0
    target = np.where(has_target, (positive + 1) / (positive + 2), 1 / (negative + 2))
    share = np.where(has_target, 0.5 / positive, 0.5 / negative) * len(has_target)
    centre, spread = float(logits.mean()), float(logits.std()) or 1.0
    design = np.stack([(logits - centre) / spread, np.ones_like(logits)], axis=1).astype(np.float64)

    def cost(weights: np.ndarray) -> float:
        z = design @ weights
        return float((share * (np.logaddexp(0, z) - target * z)).sum())

    weights = np.zeros(2)
    for _ in range(iterations):
        probs = (1 + np.tanh(design @ weights / 2)) / 2
        gradient = design.T @ (share * (probs - target))
        curvature = (design * (share * probs * (1 - probs))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while np.abs(step).max() > 1e-8 and cost(weights - step) > cost(weights) - 1e-4 * float(gradient @ step):
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    scale = float(weights[0] / spread)
    offset = float(weights[1]) - scale * centre
    if scale <= 0:  # a head that has learned nothing yet: leave it as it is
        return 1.0, 0.0
    lowest_kept = float(np.quantile(logits[has_target], 1 - keep, method="lower"))
    # A hair more than needed, or rounding (presence is computed from float32 buffers) would lose the lowest one kept.
    return scale, max(offset, -scale * lowest_kept + 1e-3)
