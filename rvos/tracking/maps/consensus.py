"""What an expression has meant so far, by appearance: two classifiers of pixels that are learned while watching.

One learns what the image model answers of pixels that look alike, on all frames together: its errors on single frames
average out, and no object has to be followed for that. The other learns to tell what was shown from what was around it:
its borders are sharper than the image model's. Both are ridge regressions on random Fourier features (`head`), whose
memory is a pair of sums: of a fixed size, and free of order.
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
from rvos.tracking.carrying.head import DIMENSION, Sums, fit, no_sums, weighted_sums
from rvos.tracking.carrying.lifted import lifted
from rvos.view.frame_view import View

SCORED_AT_ONCE = 8
"""Classifiers whose scores are one product. The lifted pixels do not fit into a processor's cache: to read them costs
more than to multiply them."""


@dataclass(frozen=True)
class ConsensusConfig:
    """The numbers by which the two classifiers learn."""

    #: Log-odds above which a pixel may be meant: it teaches more than one that the image model is sure about.
    candidate: LogOdds = -3.0
    #: How likely a pixel below is to be an example, against one above.
    elsewhere: PositiveShare = 0.05
    #: Examples of a frame for what is answered.
    answer_examples: Count = 1000
    #: Examples of what is shown; twice as many of what is around it.
    mask_examples: Count = 500
    #: How far around what is shown examples of the rest are taken, in its sizes.
    around: Annotated[float, Range(0.1, 100)] = 4.0
    #: Pixels at half the work size; less that is shown teaches nothing.
    least_px: Count = 8
    #: Regularisation of the regressions.
    ridge: PositiveShare = 0.02

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Classifier:
    """A ridge regression on pixels."""

    #: All that was learned.
    sums: Sums
    #: (D,) float32, what follows from it.
    theta: np.ndarray

    def learned(self, more: Sums, keep: float, ridge: float) -> Classifier:
        """After further examples; `keep` in [0, 1] of what was known before counts on."""
        sums = self.sums.faded(keep).plus(more)
        return Classifier(sums, fit(sums, ridge))

    def scores(self, view: View, near: Box) -> np.ndarray:
        """(h, w) float32 in [-1, 1] at work size: 1 where a pixel looks like what was meant, 0 where it looks like
        nothing that was seen, and above and below a box at work size that nothing is asked beyond."""
        scores = np.zeros(view.once(pixel_features).shape[:2], np.float32)
        rows = near.halved().part[0]
        lifted = view.once(lifted_picture).reshape(*scores.shape, -1)[rows]
        scores[rows] = np.clip(lifted @ self.theta, -1, 1)
        return cv2.resize(scores, work_size(view)[::-1], interpolation=cv2.INTER_LINEAR)


def scores_of_all(view: View, classifiers: Sequence[Classifier]) -> list[np.ndarray]:
    """`Classifier.scores` of the whole picture, of several: the lifted pixels are read once for all of them."""
    size = view.once(pixel_features).shape[:2]
    scores: list[np.ndarray] = []
    for start in range(0, len(classifiers), SCORED_AT_ONCE):
        some = classifiers[start : start + SCORED_AT_ONCE]
        # Of one width always: the scores of one classifier are then the same to the bit, whoever stands beside it.
        thetas = np.zeros((DIMENSION, SCORED_AT_ONCE), np.float32)
        for column, classifier in enumerate(some):
            thetas[:, column] = classifier.theta
        planes = np.clip(view.once(lifted_picture) @ thetas, -1, 1)
        scores += [np.ascontiguousarray(planes[:, column]).reshape(size) for column in range(len(some))]
    return [cv2.resize(plane, work_size(view)[::-1], interpolation=cv2.INTER_LINEAR) for plane in scores]


def blank_classifier() -> Classifier:
    """One that has learned nothing, and scores everything 0."""
    sums = no_sums()
    return Classifier(sums, np.zeros_like(sums.target))


def lifted_picture(view: View) -> np.ndarray:
    """(h' w', D) float32, every pixel of half the work size as the classifiers see it: without its position. Ask by
    `view.once(lifted_picture)`."""
    height, width = view.once(pixel_features).shape[:2]
    return view.once(lifted).part(Box(0, 0, width, height)).reshape(-1, DIMENSION)


def answer_examples(view: View, logits: np.ndarray, weight: float, config: ConsensusConfig) -> Sums:
    """What the image model answers on this frame. logits: (h, w) float32 log-odds at work size."""
    height, width = view.once(pixel_features).shape[:2]
    small = cv2.resize(logits, (width, height), interpolation=cv2.INTER_AREA).ravel()
    likely = np.where(small > config.candidate, 1.0, config.elsewhere)
    chosen = _drawn(view, likely, config.answer_examples)
    targets = np.tanh(small[chosen] / 2)  # 2 p - 1
    return weighted_sums(view.once(lifted_picture)[chosen], targets, np.full(len(chosen), weight / len(chosen)))


def mask_examples(view: View, probs: np.ndarray, weight: float, config: ConsensusConfig) -> Sums | None:
    """What is shown on this frame against what is around it, both alike in weight; None where too little is shown.

    probs: (h, w) float32 at work size, below 0.5 where nothing is shown.
    """
    small = halved(probs)
    on = small > 0.5
    if np.count_nonzero(on) < config.least_px or on.all():
        return None
    away = cv2.distanceTransform((~on).astype(np.uint8), cv2.DIST_L2, 5) / (np.sqrt(np.count_nonzero(on)) + 2)
    near = ~on & (away < config.around)
    inside = _drawn(view, on.ravel().astype(np.float64), config.mask_examples)
    outside = _drawn(view, np.where(near, np.exp(-away) + 0.1, 0.0).ravel(), 2 * config.mask_examples)
    sureness = np.abs(2 * small.ravel() - 1) + 0.02
    lifted = view.once(lifted_picture)
    weights = [weight * sureness[part] / sureness[part].sum() for part in (inside, outside)]
    targets = [np.ones(len(inside)), -np.ones(len(outside))]
    return weighted_sums(lifted[np.r_[inside, outside]], np.concatenate(targets), np.concatenate(weights))


def _drawn(view: View, likely: np.ndarray, most: int) -> np.ndarray:
    """Positions drawn without repetition, as likely as they are said to be: the same for the same frame."""
    count = min(most, np.count_nonzero(likely))
    random = np.random.default_rng(view.frame.index)
    return random.choice(len(likely), count, replace=False, p=likely / likely.sum())
