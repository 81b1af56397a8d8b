"""What the image model says of one frame for one expression, at the size that objects are tracked at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from image_core.types import ImageFeatures, Prediction
from rvos.postprocess import Postprocessor
from rvos.tracking.appearance import work_size
from rvos.view.frame_view import View


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


def read_evidence(
    view: View, prediction: Prediction, features: ImageFeatures, postprocess: Postprocessor, temperature: float
) -> Evidence:
    """One row of a prediction as evidence. temperature: what raw mask logits are divided by to be log-odds."""
    logits = postprocess.logits(prediction, features.valid_px, work_size(view)) / temperature
    presence = float(postprocess.model.presence_probs(prediction))
    return Evidence(logits.astype(np.float32), presence, float(prediction.score.float()))
