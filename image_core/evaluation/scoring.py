"""An image model over a set of pictures: masks at the pictures' own size, scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from image_core.evaluation.samples import Samples, asked
from image_core.metrics import ReferringMetrics
from image_core.segmenter import ImagePrediction, ImageSegmenter
from image_core.types import ImageSample

Predict = Callable[[ImageSample], Sequence[ImagePrediction]]
"""A picture with its expressions -> one prediction an expression; it does not see the truth."""


def predict_with(segmenter: ImageSegmenter) -> Predict:
    """The plain way: ask the model."""
    return lambda sample: segmenter.segment(sample.image, sample.expressions)


def evaluate_images(
    predict: Predict, samples: Samples, limit: int | None = None, *, shuffle_expressions: bool = False
) -> dict[str, Any]:
    """The figures of `ReferringMetrics` over the first `limit` pictures, each expression at native resolution.

    shuffle_expressions: the text-blind control, see `asked`.
    """
    metrics = ReferringMetrics()
    for sample in asked(samples, limit, shuffle_expressions):
        predictions = predict(sample)
        for prediction, truth, family in zip(predictions, sample.masks, sample.families, strict=True):
            metrics.update(prediction.mask, truth, prediction.presence >= 0.5, family)
    return metrics.compute()
