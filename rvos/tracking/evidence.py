"""What the image model says of one frame for one expression, at the size that objects are tracked at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from image_core.types import ImageFeatures, Prediction
from rvos.postprocess import Postprocessor
from rvos.tracking.appearance import work_size
from rvos.view import View

SMALLEST_SHARE = 0.08
"""A region smaller than this share of the largest one is a crumb of the mask, not an object."""
MOST_REGIONS = 4


@dataclass(frozen=True)
class Evidence:
    """logits: (h, w) float32 log-odds that a pixel is meant, if the target is there; presence, score: [0, 1]."""

    logits: np.ndarray
    presence: float
    score: float

    @cached_property
    def probs(self) -> np.ndarray:
        """(h, w) float32: `logits` as probabilities."""
        return 1 / (1 + np.exp(-self.logits))

    @cached_property
    def regions(self) -> list[np.ndarray]:
        """The connected parts of the mask, (h, w) bool each, largest first, crumbs left out."""
        count, labels, stats, _ = cv2.connectedComponentsWithStats((self.logits > 0).astype(np.uint8), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        order = [i for i in np.argsort(-areas, kind="stable") if areas[i] >= SMALLEST_SHARE * areas.max()]
        return [labels == i + 1 for i in order[:MOST_REGIONS]] if count > 1 else []


def read_evidence(
    view: View, prediction: Prediction, features: ImageFeatures, postprocess: Postprocessor, temperature: float
) -> Evidence:
    """One row of a prediction as evidence. temperature: what raw mask logits are divided by to be log-odds."""
    logits = postprocess.logits(prediction, features.valid_px, work_size(view)) / temperature
    presence = float(postprocess.model.presence_probs(prediction))
    return Evidence(logits.astype(np.float32), presence, float(prediction.score.float()))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks; 0 when both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 0.0
