"""Presence: is there a mask when, and only when, there is a target?

One case is one frame of an expression, or a whole expression (predicted: a mask anywhere; true: a target anywhere), as
MeViS v2 counts them after GRES. The form of the image datasets, which adds IoU, is in `image_core.metrics`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Presence:
    """How often a target was there and predicted, and how often there was none and nothing was predicted."""

    targets: int
    targets_found: int
    absences: int
    absences_found: int

    @classmethod
    def count(cls, predicted: np.ndarray, true: np.ndarray) -> Presence:
        """Of (N,) bool each, one entry per case. Raises `ValueError` on anything else."""
        _check(predicted, true)
        hits = predicted == true
        return cls(int(true.sum()), int((true & hits).sum()), int((~true).sum()), int((~true & hits).sum()))

    def __add__(self, other: Presence) -> Presence:
        return Presence(
            self.targets + other.targets,
            self.targets_found + other.targets_found,
            self.absences + other.absences,
            self.absences_found + other.absences_found,
        )

    @property
    def n_acc(self) -> float | None:
        """N-acc: share of the cases without a target that are predicted empty; None when there is no such case."""
        return self.absences_found / self.absences if self.absences else None

    @property
    def t_acc(self) -> float | None:
        """T-acc: share of the cases with a target that are not predicted empty; None when there is no such case."""
        return self.targets_found / self.targets if self.targets else None


def temporal_iou(predicted: np.ndarray, true: np.ndarray) -> float:
    """Long-RVOS tIoU of (T,) bool each: frames where both are present over frames where either is; 1 if neither is."""
    _check(predicted, true)
    either = int((predicted | true).sum())
    return int((predicted & true).sum()) / either if either else 1.0


def volume_iou(region: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> float:
    """Long-RVOS vIoU: sum of J, (T,) float, where both are present over frames where either is; 1 if neither is."""
    _check(predicted, true)
    either = int((predicted | true).sum())
    return float(region[predicted & true].sum()) / either if either else 1.0


def _check(predicted: np.ndarray, true: np.ndarray) -> None:
    if predicted.shape != true.shape or predicted.ndim != 1 or predicted.dtype != np.bool_ or true.dtype != np.bool_:
        raise ValueError(
            f"presence: expected two bool (N,), got {predicted.dtype} {predicted.shape} and {true.dtype} {true.shape}"
        )
