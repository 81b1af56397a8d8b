"""An image model over a set of pictures: masks at the pictures' own size, scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch

from image_core.answer import MaskAnswer
from image_core.errors import ConfigError
from image_core.metrics import ReferringMetrics
from image_core.segmenter import ImageSegmenter
from image_core.types import ImageSample


class Samples(Protocol):
    """A map-style set of pictures with expressions and truth."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> ImageSample: ...


Predict = Callable[[ImageSample], Sequence[MaskAnswer]]
"""A picture with its expressions -> an answer for each; it does not see the truth."""


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
        for answer, truth, family in zip(predict(sample), sample.masks, sample.families, strict=True):
            metrics.update(answer.mask(truth.shape), truth, answer.presence >= 0.5, family)
    return metrics.compute()


def asked(samples: Samples, limit: int | None, shuffled: bool = False) -> Iterator[ImageSample]:
    """The first `limit` pictures with the sentences that are asked of them; a picture without sentences is left out.

    shuffled: each picture is asked the sentences of the next one that has some (after the last comes the first) and
    keeps its own truth and families: what is scored then can be had without reading. Raises `ConfigError` where there
    is no other picture with sentences.
    """
    count = len(samples) if limit is None else min(limit, len(samples))
    if shuffled and count < 2:
        raise ConfigError(
            f"shuffled expressions: came {count} picture, wanted 2 or more: each is asked another's words"
        )
    for index in range(count):
        sample = samples[index]
        if not sample.expressions:
            continue
        if shuffled:
            sample = asking(sample, words_of_another(lambda i: samples[i].expressions, index, count))
        yield sample


def words_of_another(expressions: Callable[[int], Sequence[str]], index: int, count: int) -> Sequence[str]:
    """The sentences of the first picture after `index` that has some, round and round among `count`; expressions: those
    of a picture. Raises `ConfigError` where no other has."""
    for step in range(1, count):
        theirs = expressions((index + step) % count)
        if theirs:
            return theirs
    raise ConfigError(f"shuffled expressions: came 1 picture of {count} with sentences, wanted 2 or more")


def asking(sample: ImageSample, others: Sequence[str]) -> ImageSample:
    """The sample with as many sentences of another picture, taken round and round."""
    theirs = tuple(others[i % len(others)] for i in range(len(sample.expressions)))
    return replace(sample, expressions=theirs)


def collect_presence(segmenter: ImageSegmenter, samples: Samples, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """(logits (N,) float, has_target (N,) bool) of the first `limit` pictures, before calibration."""
    logits: list[float] = []
    truth: list[bool] = []
    model = segmenter.model
    scale, offset = model.presence_scale.item(), model.presence_offset.item()
    for sample in asked(samples, limit):
        predictions = segmenter.segment(sample.image, sample.expressions)
        probs = torch.tensor([p.presence for p in predictions], dtype=torch.float64)
        logits += ((torch.logit(probs, eps=1e-12) - offset) / scale).tolist()
        truth += [bool(mask.any()) for mask in sample.masks]
    return np.array(logits), np.array(truth)
