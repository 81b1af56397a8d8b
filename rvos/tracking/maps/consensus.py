"""What an expression has meant so far, by appearance: two pixel classifiers that are trained while the video is
processed.

One learns what the image model answers for pixels of similar appearance on all frames: errors on single frames average
out, and no object has to be followed for that. The other learns to tell what was shown from its surroundings: its
boundaries are sharper than the image model's. Both are ridge regressions on random Fourier features (`head`), which
remember a pair of sums of a fixed size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np

from image_core.ranges import Count, LogOdds, PositiveShare, Range, check_ranges
from rvos.tracking.carrying.appearance import halved, pixel_features, work_size
from rvos.tracking.carrying.box import Box
from rvos.tracking.carrying.head import DIMENSION, Sums, empty_sums, fit, lift, lifted_strips, weighted_sums
from rvos.tracking.carrying.lifted import lifted
from rvos.view.frame_view import View

SCORED_AT_ONCE = 8
"""Classifiers that are scored in one matrix product, so that the features are read from the processor's cache for all
of them together."""


@dataclass(frozen=True)
class ConsensusConfig:
    """The numbers by which the two classifiers are trained."""

    #: Log-odds of the answer above which a pixel may be meant; such pixels are drawn more often as examples.
    candidate: LogOdds = -3.0
    #: How likely a pixel below `candidate` is drawn as an example, relative to one above.
    elsewhere: PositiveShare = 0.05
    #: Examples from the answer on a frame.
    answer_examples: Count = 1000
    #: Examples from what is shown on a frame; twice as many are drawn from its surroundings.
    mask_examples: Count = 500
    #: How far from what is shown examples of the surroundings are drawn, in sizes of what is shown.
    around: Annotated[float, Range(0.1, 100)] = 4.0
    #: Least area of what is shown to learn from, in pixels at half the work size.
    least_px: Count = 8
    #: Regularisation of the regressions.
    ridge: PositiveShare = 0.02

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Classifier:
    """A ridge regression on pixels."""

    #: The sums over all examples so far.
    sums: Sums
    #: (D,) float32, the weights that follow from them.
    theta: np.ndarray

    def learned(self, more: Sums, keep: float, ridge: float) -> Classifier:
        """After further examples. keep: factor in [0, 1] on the weight of the earlier ones; ridge: see `fit`."""
        sums = self.sums.faded(keep).plus(more)
        return Classifier(sums, fit(sums, ridge))

    def scores(self, view: View, near: Box) -> np.ndarray:
        """(h, w) float32 in [-1, 1] at work size: 1 where a pixel looks like what was meant, 0 where it looks like
        nothing that was seen, and 0 outside of `near`, a box at work size."""
        scores, box = np.zeros(view.once(pixel_features).shape[:2], np.float32), near.halved()
        scores[box.part] = np.clip(view.once(lifted).part(box) @ self.theta, -1, 1)
        return cv2.resize(scores, work_size(view)[::-1], interpolation=cv2.INTER_LINEAR)


def scores_of_all(view: View, classifiers: Sequence[Classifier]) -> list[np.ndarray]:
    """`Classifier.scores` of several classifiers on the whole image, whose features are computed once for all of
    them."""
    features = view.once(pixel_features)
    size, count = features.shape[:2], len(classifiers)
    # The width is constant, so that the scores of a classifier are the same to the bit whatever others are scored with
    # it.
    thetas = np.zeros((-(-count // SCORED_AT_ONCE), DIMENSION, SCORED_AT_ONCE), np.float32)
    for place, classifier in enumerate(classifiers):
        thetas[place // SCORED_AT_ONCE, :, place % SCORED_AT_ONCE] = classifier.theta
    planes = np.empty((len(thetas), size[0] * size[1], SCORED_AT_ONCE), np.float32)
    for rows, strip in lifted_strips(features.reshape(-1, features.shape[2])) if count else ():
        for some, scored in zip(thetas, planes, strict=True):
            np.matmul(strip, some, out=scored[rows])
    np.clip(planes, -1, 1, out=planes)
    scores = (planes[place // SCORED_AT_ONCE, :, place % SCORED_AT_ONCE].reshape(size) for place in range(count))
    return [cv2.resize(plane, work_size(view)[::-1], interpolation=cv2.INTER_LINEAR) for plane in scores]


def untrained_classifier() -> Classifier:
    """One that has learned nothing, and scores everything 0."""
    sums = empty_sums()
    return Classifier(sums, np.zeros_like(sums.target))


def lifted_at(view: View, positions: np.ndarray) -> np.ndarray:
    """(N, D) float32: the random Fourier features of N pixels at half the work size. positions: (N,), row by row."""
    features = view.once(pixel_features)
    return lift(features.reshape(-1, features.shape[2])[positions])


def answer_examples(view: View, logits: np.ndarray, weight: float, config: ConsensusConfig) -> Sums:
    """Examples of what the image model answers on this frame. logits: (h, w) float32 log-odds at work size; weight: of
    all examples together."""
    height, width = view.once(pixel_features).shape[:2]
    small = cv2.resize(logits, (width, height), interpolation=cv2.INTER_AREA).ravel()
    likely = np.where(small > config.candidate, 1.0, config.elsewhere)
    chosen = drawn(view, likely, config.answer_examples)
    targets = np.tanh(small[chosen] / 2)  # 2 p - 1
    return weighted_sums(lifted_at(view, chosen), targets, np.full(len(chosen), weight / len(chosen)))


def mask_examples(view: View, probs: np.ndarray, weight: float, config: ConsensusConfig) -> Sums | None:
    """Examples of what is shown on this frame and of its surroundings, of the same weight; None if too little is shown.

    probs: (h, w) float32 at work size, below 0.5 where nothing is shown.
    """
    small = halved(probs)
    on = small > 0.5
    if np.count_nonzero(on) < config.least_px or on.all():
        return None
    away = cv2.distanceTransform((~on).astype(np.uint8), cv2.DIST_L2, 5) / (np.sqrt(np.count_nonzero(on)) + 2)
    near = ~on & (away < config.around)
    inside = drawn(view, on.ravel().astype(np.float64), config.mask_examples)
    outside = drawn(view, np.where(near, np.exp(-away) + 0.1, 0.0).ravel(), 2 * config.mask_examples)
    sureness = np.abs(2 * small.ravel() - 1) + 0.02
    weights = [weight * sureness[part] / sureness[part].sum() for part in (inside, outside)]
    targets = [np.ones(len(inside)), -np.ones(len(outside))]
    return weighted_sums(lifted_at(view, np.r_[inside, outside]), np.concatenate(targets), np.concatenate(weights))


def drawn(view: View, likely: np.ndarray, most: int) -> np.ndarray:
    """At most `most` positions, drawn without replacement with probabilities in proportion to `likely`: the same for
    the same frame."""
    random, share = np.random.default_rng(view.frame.index), likely / likely.sum()
    able = np.flatnonzero(share)
    if len(able) == len(share):
        return random.choice(len(share), min(most, len(share)), replace=False, p=share)
    # This draws the same positions: those of probability 0 add nothing to the sums that numpy draws by, but take time.
    return random.choice(able, min(most, len(able)), replace=False, p=share[able])
