"""An image model over a set of images: masks at the images' own size, scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from image_core.answer import MaskAnswer
from image_core.evaluation.samples import Samples, with_questions
from image_core.mask_model import MaskModel, ask
from image_core.metrics import ReferringMetrics
from image_core.sample import ImageSample

Predict = Callable[[ImageSample], Sequence[MaskAnswer]]
"""An image with its expressions -> an answer for each. It must not read the true masks."""


def predict_with(model: MaskModel) -> Predict:
    """The plain way: ask the model."""
    return lambda sample: ask(model, sample.image, sample.expressions)


def evaluate_images(
    predict: Predict, samples: Samples, limit: int | None = None, *, shuffle_expressions: bool = False
) -> dict[str, Any]:
    """The figures of `ReferringMetrics` over the first `limit` images, each expression at native resolution.

    shuffle_expressions: the text-blind control, see `with_questions`.
    """
    metrics = ReferringMetrics()
    for sample in with_questions(samples, limit, shuffle_expressions):
        for answer, truth, family in zip(predict(sample), sample.masks, sample.families, strict=True):
            metrics.update(answer.mask(truth.shape), truth, answer.presence >= 0.5, family)
    return metrics.compute()
