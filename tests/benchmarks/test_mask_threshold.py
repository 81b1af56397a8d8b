"""What masks are worth at the threshold that suits a model best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.accuracy import mask_threshold
from benchmarks.accuracy.mask_threshold import at_best_threshold
from image_core.answer import DenseMap, MaskAnswer
from image_core.evaluation.images import SyntheticImageSet
from image_core.segmenter import ImageSegmenter


class Unsure(ImageSegmenter):
    """Knows every target, but gives it log-odds of -1.7, and everything else -2.2."""

    def __init__(self) -> None:
        self.truths: dict[tuple[bytes, str], np.ndarray] = {}
        for split in ("val", "test"):
            for index in range(4):
                sample = SyntheticImageSet(split).sample(index)
                pairs = zip(sample.expressions, sample.masks, strict=True)
                self.truths |= {(sample.image.tobytes(), text): mask for text, mask in pairs}

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        nothing = np.zeros(image.shape[:2], bool)
        masks = [self.truths.get((image.tobytes(), text), nothing) for text in expressions]
        return [MaskAnswer.of_map(DenseMap(np.where(m, -1.7, -2.2).astype(np.float32)), 1.0, 1.0) for m in masks]


def test_a_model_that_is_never_sure_is_scored_by_what_it_ranks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_threshold, "VALIDATION_IMAGES", 4)
    monkeypatch.setattr(mask_threshold, "TEST_IMAGES", 4)
    figures = at_best_threshold(Unsure())
    assert figures["log_odds"] == -2.0
    assert figures["mIoU"] == 1.0
    assert figures["mIoU_with_other_words"] < 0.3
