"""What an image model answers for one expression on one frame, at the size that objects are tracked at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from image_core.answer import MaskAnswer
from rvos.tracking.appearance import work_size
from rvos.view.frame_view import View


@dataclass(frozen=True)
class Evidence:
    """An answer as the tracker weighs it."""

    #: (h, w) float32, log-odds that a pixel is meant, if the target is there.
    logits: np.ndarray
    #: [0, 1]
    presence: float
    #: [0, 1]
    score: float

    @cached_property
    def probs(self) -> np.ndarray:
        """(h, w) float32: `logits` as probabilities."""
        return 1 / (1 + np.exp(-self.logits))


def read_evidence(view: View, answer: MaskAnswer, temperature: float) -> Evidence:
    """An answer as evidence. temperature: what the model's log-odds are divided by to be calibrated."""
    logits = answer.log_odds(work_size(view)) / temperature
    return Evidence(logits.astype(np.float32), answer.presence, answer.score)
