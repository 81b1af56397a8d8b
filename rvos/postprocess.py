"""From what a model says at its own size to a mask at the video's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from image_core.models.base import ImageModel
from image_core.preprocessing import Preprocessing
from image_core.types import Prediction


@dataclass(frozen=True)
class VideoMask:
    """mask: (H, W) bool at video size; score and presence: [0, 1]."""

    mask: np.ndarray
    score: float
    presence: float


class Postprocessor:
    """Turns one row of a `Prediction` into a `VideoMask`: the pixels whose probability is above 0.5.

    presence_threshold: calibrated probability below which the expression has no target and the mask is empty.
    """

    def __init__(self, model: ImageModel, preprocessing: Preprocessing, presence_threshold: float = 0.5) -> None:
        self.model = model
        self.preprocessing = preprocessing
        self.presence_threshold = presence_threshold

    def __call__(self, prediction: Prediction, valid_px: Tensor, size: tuple[int, int]) -> VideoMask:
        """prediction: one row; valid_px: (1, 2), the model's input before padding; size: (H, W) of the frame."""
        if len(prediction) != 1:
            raise ValueError(f"Postprocessor: came {len(prediction)} rows, wanted 1")
        presence = float(self.model.presence_probs(prediction))
        score = float(prediction.score.float())
        if presence < self.presence_threshold:
            return VideoMask(np.zeros(size, dtype=bool), score, presence)
        # A sigmoid over every pixel of a frame would only move the border to 0.5: it is where the logits cross 0.
        return VideoMask(self.logits(prediction, valid_px, size) > 0, score, presence)

    def logits(self, prediction: Prediction, valid_px: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(h, w) float32, raw, of one row: the mask brought to `size`, padding cut off."""
        valid = (int(valid_px[0, 0]), int(valid_px[0, 1]))
        return self.preprocessing.restore(prediction.mask_logits.float(), valid, size)[0].cpu().numpy()
