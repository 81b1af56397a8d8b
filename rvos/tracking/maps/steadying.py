"""Makes the maps of a dense model steady, by what the model answered on earlier frames for pixels of similar
appearance.

A dense model errs cell by cell, and its maps are coarse. Two pixel classifiers are trained while the video is watched
(`consensus`): one on the answers, one on what was shown and its surroundings. The map is combined with their scores and
aligned with the edges of the image. Candidates, which other models draw themselves, are left as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import cv2
import numpy as np

from image_core.answer import MaskAnswer
from image_core.ranges import PositiveShare, Range, Share, Weight, check_ranges
from rvos.tracking.carrying.appearance import work_size
from rvos.tracking.carrying.box import Sizes, box_of, core_of
from rvos.tracking.carrying.guided import FilterRadius, work_guide
from rvos.tracking.maps.consensus import (
    Classifier,
    ConsensusConfig,
    answer_examples,
    mask_examples,
    scores_of_all,
    untrained_classifier,
)
from rvos.view.frame_view import View

FILTER_EPS = 1e-4
"""Variance of the image below which a window counts as of one colour."""


@dataclass(frozen=True)
class SteadyingConfig:
    """The numbers by which maps are made steady (chosen on the validation split of the synthetic videos)."""

    #: Divisor of the model's log-odds that calibrates them.
    temperature: Annotated[float, Range(0.01, 100)] = 1.5
    #: Largest absolute log-odds of an answer.
    evidence_most: Weight = 4.0
    #: Log-odds that the classifier of the answers adds at most.
    answer_weight: Weight = 8.0
    #: Log-odds that the classifier of what was shown adds at most.
    mask_weight: Weight = 3.0
    #: Weight of a frame with presence 0 in the training of the classifiers.
    unsure_weight: PositiveShare = 0.05
    #: Weight that earlier frames keep in both classifiers when the next one is learned.
    keep: Share = 0.995
    #: Probabilities are kept this far from 0 and 1.
    edge: Annotated[float, Range(1e-6, 0.5)] = 0.02
    #: Margin around the regions in which the classifier of what was shown is used, in sizes of the regions.
    near: Sizes = 0.6
    #: Log-odds that a distance of one size from the regions costs.
    distance_weight: Weight = 10.0
    #: Distance from the regions that costs nothing, in sizes of the regions.
    distance_free: Sizes = 0.15
    #: Distance beyond the free one from which on the cost no longer grows, in sizes of the regions.
    distance_most: Sizes = 5.0
    #: Radius of the guided filter, in sizes of the regions.
    filter_share: Sizes = 0.16
    #: Least radius of the guided filter, in pixels at work size.
    filter_least: FilterRadius = 5
    #: Largest radius of the guided filter, in pixels at work size.
    filter_most: FilterRadius = 20
    #: How the two classifiers are trained.
    consensus: ConsensusConfig = field(default_factory=ConsensusConfig)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class MapMemory:
    """What is remembered of the maps of one expression."""

    #: The classifier that learns what the image model answered.
    of_answers: Classifier = field(default_factory=untrained_classifier)
    #: The classifier that learns what was shown, against its surroundings.
    of_masks: Classifier = field(default_factory=untrained_classifier)


@dataclass(frozen=True)
class AnswerMap:
    """The map of one answer after the memory has learned from it, and before it is made steady."""

    #: (h, w) float32 at work size, calibrated log-odds.
    logits: np.ndarray
    #: The memory, this map included.
    memory: MapMemory
    #: (h, w) float32 in [-1, 1] at work size, of the classifier of the answers.
    scores: np.ndarray


@dataclass(frozen=True)
class SteadyMap:
    """The map of one frame at work size; probabilities, (h, w) float32 each."""

    #: As the model answered it, calibrated.
    answered: np.ndarray
    #: Made steady.
    probs: np.ndarray


class Steadier:
    """Makes maps steady; shared, and holds nothing that changes."""

    def __init__(self, config: SteadyingConfig) -> None:
        self.config = config

    def learn_answers(
        self, view: View, answers: Sequence[MaskAnswer], memories: Sequence[MapMemory]
    ) -> list[AnswerMap]:
        """The maps of the answers of several expressions, each with its own memory. The memories learn from them one by
        one; then all classifiers are scored on the image together."""
        c = self.config
        maps, learned = (
            [(answer.log_odds(work_size(view)) / c.temperature).astype(np.float32) for answer in answers],
            [],
        )
        for answer, logits, memory in zip(answers, maps, memories, strict=True):
            examples = answer_examples(view, logits, answer.presence**2 + c.unsure_weight, c.consensus)
            of_answers = memory.of_answers.learned(examples, c.keep, c.consensus.ridge)
            learned.append(replace(memory, of_answers=of_answers))
        scores = scores_of_all(view, [memory.of_answers for memory in learned])
        return [AnswerMap(*one) for one in zip(maps, learned, scores, strict=True)]

    def steady(self, view: View, answer_map: AnswerMap) -> SteadyMap:
        """A map made steady."""
        c = self.config
        weighed = np.clip(answer_map.logits, -c.evidence_most, c.evidence_most)
        probs = self._smooth(view, weighed + c.answer_weight * answer_map.scores, c.filter_least + 2)
        if (probs > 0.5).any() and answer_map.memory.of_masks.theta.any():
            probs = self._sharpened(view, probs, answer_map.memory.of_masks)
        return SteadyMap(1 / (1 + np.exp(-answer_map.logits)), probs)

    def learned(self, view: View, shown: np.ndarray, presence: float, memory: MapMemory) -> MapMemory:
        """The memory after learning what was shown, weighted by the presence of the answer.

        shown: (h, w) float32 at work size, its probabilities, below 0.5 where nothing is shown.
        """
        c = self.config
        examples = mask_examples(view, shown, presence + c.unsure_weight, c.consensus)
        if examples is None:
            return memory
        return replace(memory, of_masks=memory.of_masks.learned(examples, c.keep, c.consensus.ridge))

    def _sharpened(self, view: View, probs: np.ndarray, of_masks: Classifier) -> np.ndarray:
        """The map combined with the scores of the classifier of what was shown, near the regions."""
        c = self.config
        core = core_of(probs)
        size = math.sqrt(np.count_nonzero(core)) + 4
        away = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 5) / size
        near = box_of(core, round(c.near * size))
        kept = np.clip(probs, c.edge, 1 - c.edge)
        logits = np.log(kept / (1 - kept)) + c.mask_weight * of_masks.scores(view, near)
        logits -= c.distance_weight * np.clip(away - c.distance_free, 0, c.distance_most)
        return self._smooth(view, logits, round(min(max(c.filter_share * size, c.filter_least), c.filter_most)))

    def _smooth(self, view: View, logits: np.ndarray, radius: int) -> np.ndarray:
        soft = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return view.once(work_guide, radius, FILTER_EPS).filtered(soft)
