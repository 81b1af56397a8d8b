"""The masks of a dense model at its best threshold of the log-odds, and how much of their quality is due to the words.

A mask is where the log-odds of a model are above 0. After a short training a model may rank the pixels of the target
highest and still have no pixel above 0. Its mIoU is then nearly 0, and does not show what it has learned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from image_core.evaluation.images import SyntheticImageSet
from image_core.segmenter import ImageSegmenter

LOG_ODDS = (-4.0, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)
"""The thresholds that are tried."""
VALIDATION_IMAGES = 60
TEST_IMAGES = 250


def at_best_threshold(segmenter: ImageSegmenter) -> dict[str, float]:
    """The threshold with the highest mIoU on validation images, and the mIoU with it on test images: with their own
    expressions, and with those of another image. Presence is ignored."""
    tried = _miou(segmenter, "val", VALIDATION_IMAGES, LOG_ODDS)
    best = LOG_ODDS[int(tried.argmax())]
    (own,) = _miou(segmenter, "test", TEST_IMAGES, (best,))
    (other,) = _miou(segmenter, "test", TEST_IMAGES, (best,), words_of=TEST_IMAGES // 2)
    return {"log_odds": best, "mIoU": float(own), "mIoU_with_other_words": float(other)}


def _miou(
    segmenter: ImageSegmenter, split: str, images: int, thresholds: Sequence[float], words_of: int = 0
) -> np.ndarray:
    """(thresholds,) mIoU over the expressions that have a target. words_of: offset of the image from which the
    expressions are taken; the truth stays."""
    data, ious = SyntheticImageSet(split), []
    for index in range(images):
        sample = data.sample(index)
        answers = segmenter.segment(sample.image, data.expressions((index + words_of) % images))
        # All images have the same number of expressions, so that each truth is paired with one.
        for answer, truth in zip(answers, sample.masks, strict=True):
            if truth.any():
                log_odds = answer.log_odds(truth.shape)
                ious.append([_iou(log_odds > threshold, truth) for threshold in thresholds])
    return np.mean(ious, axis=0)


def _iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)
