"""What a dense model's masks are worth at the threshold that suits it best, and how much of that is due to the words.

A mask is where the log-odds of a model are above 0. After a short training a model may well rank the pixels of a target
first and still have no pixel above 0. Its mIoU is then nearly 0 and says nothing of what it has learned.
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
    expressions, and with those of another image. Presence is not asked."""
    tried = _miou(segmenter, "val", VALIDATION_IMAGES, LOG_ODDS)
    best = LOG_ODDS[int(tried.argmax())]
    (own,) = _miou(segmenter, "test", TEST_IMAGES, (best,))
    (other,) = _miou(segmenter, "test", TEST_IMAGES, (best,), words_of=TEST_IMAGES // 2)
    return {"log_odds": best, "mIoU": float(own), "mIoU_with_other_words": float(other)}


def _miou(
    segmenter: ImageSegmenter, split: str, images: int, thresholds: Sequence[float], words_of: int = 0
) -> np.ndarray:
    """(thresholds,) mIoU over the expressions that have a target. words_of: how many images further on the words are
    taken from, while the truth stays."""
    data, ious = SyntheticImageSet(split), []
    for index in range(images):
        sample = data.sample(index)
        answers = segmenter.segment(sample.image, data.expressions((index + words_of) % images))
        # Images have equally many expressions, so that every truth meets one.
        for answer, truth in zip(answers, sample.masks, strict=True):
            if truth.any():
                log_odds = answer.log_odds(truth.shape)
                ious.append([_iou(log_odds > threshold, truth) for threshold in thresholds])
    return np.mean(ious, axis=0)


def _iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)
