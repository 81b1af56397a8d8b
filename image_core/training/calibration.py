"""Presence calibration: two numbers, fitted on a validation split, that turn presence logits into probabilities."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class PresenceFit(NamedTuple):
    """presence = sigmoid(scale * logit + offset), and the odds at which that is the probability of a target."""

    scale: float
    offset: float
    #: Presence is the probability of a target where there are so many targets to one absence; None: nothing was fitted.
    odds: float | None


def fit_presence(logits: np.ndarray, has_target: np.ndarray, keep: float = 0.96, iterations: int = 50) -> PresenceFit:
    """Fits scale and offset so that presence is at least 0.5 for the share `keep` of the expressions with a target.

    logits: (N,) float; has_target: (N,) bool, both classes as often as in the split. A missed target costs its whole
    mask. So the fitted offset is moved until the threshold 0.5 keeps the share `keep` of the targets, or more if that
    accepts no more absent ones. The moved offset corresponds to other odds: presence then is the probability of a
    target where there are `odds` targets to one absence. If all expressions are of one class, there is nothing to fit:
    (1, 0, None).

    Platt scaling, after Lin, Lin and Weng (2007): Newton steps are halved until they lower the cost, since full steps
    can diverge where the classes are far apart.
    """
    positive = int(has_target.sum())
    negative = len(has_target) - positive
    if not positive or not negative:
        return PresenceFit(1.0, 0.0, None)
    target = np.where(has_target, (positive + 1) / (positive + 2), 1 / (negative + 2))
    centre, spread = float(logits.mean()), float(logits.std()) or 1.0
    design = np.stack([(logits - centre) / spread, np.ones_like(logits)], axis=1).astype(np.float64)

    def cost(weights: np.ndarray) -> float:
        z = design @ weights
        return float((np.logaddexp(0, z) - target * z).sum())

    weights = np.zeros(2)
    for _ in range(iterations):
        probs = (1 + np.tanh(design @ weights / 2)) / 2
        gradient = design.T @ (probs - target)
        curvature = (design * (probs * (1 - probs))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while np.abs(step).max() > 1e-8 and cost(weights - step) > cost(weights) - 1e-4 * float(gradient @ step):
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    scale = float(weights[0] / spread)
    natural = float(weights[1]) - scale * centre
    if scale <= 0:  # a head that has learned nothing yet: leave it as it is
        return PresenceFit(1.0, 0.0, None)
    offset = -scale * _threshold(logits, has_target, keep) + 1e-3  # a hair, or float32 would lose the lowest one kept
    return PresenceFit(scale, offset, positive / negative * math.exp(min(500.0, offset - natural)))


def _threshold(logits: np.ndarray, has_target: np.ndarray, keep: float) -> float:
    """Half way between the lowest logit of a target that must be kept and the next lower logit of an absent one."""
    lowest_kept = float(np.quantile(logits[has_target], 1 - keep, method="lower"))
    below = logits[~has_target & (logits < lowest_kept)]
    return (lowest_kept + float(below.max())) / 2 if len(below) else lowest_kept
