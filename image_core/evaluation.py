"""A loaded image model over a set of pictures: masks at the pictures' own size, scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch

from image_core.metrics import ReferringMetrics
from image_core.segmenter import ImagePrediction, ImageSegmenter
from image_core.types import ImageSample


class Samples(Protocol):
    """A map-style set of pictures with expressions and truth."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> ImageSample: ...


Watch = Callable[[ImageSample, Sequence[ImagePrediction]], None]


def evaluate_images(
    segmenter: ImageSegmenter,
    samples: Samples,
    limit: int | None = None,
    *,
    shuffle_expressions: bool = False,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """The figures of `ReferringMetrics` over the first `limit` pictures, each expression at native resolution.

    shuffle_expressions: the text-blind control. Each picture is asked the sentences of the next one (the last picture
    those of the first) and scored against its own truth: what is left is what can be had without reading.
    `watch` sees every sample with its predictions (for pictures, progress).
    """
    metrics = ReferringMetrics()
    count = len(samples) if limit is None else min(limit, len(samples))
    for sample, asked in _asked(samples, count, shuffle_expressions):
        predictions = segmenter.segment(sample.image, asked)
        for prediction, truth, family in zip(predictions, sample.masks, sample.families, strict=True):
            metrics.update(prediction.mask, truth, prediction.presence >= 0.5, family)
        if watch is not None:
            watch(replace(sample, expressions=tuple(asked)), predictions)
    return metrics.compute()


def _asked(samples: Samples, count: int, shuffled: bool) -> Iterator[tuple[ImageSample, Sequence[str]]]:
    for index in range(count):
        sample = samples[index]
        if not shuffled:
            yield sample, sample.expressions
            continue
        other = samples[(index + 1) % count].expressions
        yield sample, [other[i % len(other)] for i in range(len(sample.expressions))]


def collect_presence(segmenter: ImageSegmenter, samples: Samples, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """(logits (N,) float, has_target (N,) bool) of the first `limit` pictures, before calibration."""
    logits: list[float] = []
    truth: list[bool] = []
    model = segmenter.model
    scale, offset = model.presence_scale.item(), model.presence_offset.item()
    for sample, asked in _asked(samples, min(limit, len(samples)), shuffled=False):
        probs = torch.tensor([p.presence for p in segmenter.segment(sample.image, asked)], dtype=torch.float64)
        logits += ((torch.logit(probs, eps=1e-12) - offset) / scale).tolist()
        truth += [bool(mask.any()) for mask in sample.masks]
    return np.array(logits), np.array(truth)
