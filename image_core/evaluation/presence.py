"""What a model says of presence before it is calibrated, over a set of images."""

from __future__ import annotations

import numpy as np
import torch

from image_core.evaluation.samples import Samples, with_questions
from image_core.segmenter import ImageSegmenter


def collect_presence(segmenter: ImageSegmenter, samples: Samples, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """(logits (N,) float, has_target (N,) bool) of the first `limit` images, before calibration."""
    logits: list[float] = []
    truth: list[bool] = []
    model = segmenter.model
    scale, offset = model.presence_scale.item(), model.presence_offset.item()
    for sample in with_questions(samples, limit):
        predictions = segmenter.segment(sample.image, sample.expressions)
        probs = torch.tensor([p.presence for p in predictions], dtype=torch.float64)
        logits += ((torch.logit(probs, eps=1e-12) - offset) / scale).tolist()
        truth += [bool(mask.any()) for mask in sample.masks]
    return np.array(logits), np.array(truth)
