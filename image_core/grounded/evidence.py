"""The evidence that a region is what a noun phrase asks for: class, colours and size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from image_core.grounded.config import GroundedConfig
from image_core.grounded.proposals import colour_scores, label_score
from image_core.grounded.regions import Region
from image_core.grounded.understanding import NounPhrase
from image_core.language.nouns import NounMeaning, meaning_of

KINDS = ("animal", "vehicle")
"""Nouns of kinds whose members exclude each other: a box shows one animal, or one vehicle."""


def class_evidence(phrase: NounPhrase, regions: Sequence[Region], config: GroundedConfig) -> np.ndarray:
    """(N,) in [0, 1]: the evidence, from detector or classifier, that a region is of the noun's class.

    For a phrase without a noun: that it is any object. The classifier counts less where the detector is not sure that
    the box holds one whole object.
    """
    scores = np.array([region.score for region in regions], np.float64)
    classified = _by_classifier(phrase, regions, config) * np.sqrt(scores)
    return 1 - (1 - _by_detector(phrase, regions, config)) * (1 - classified)


def region_weights(
    phrase: NounPhrase, regions: Sequence[Region], config: GroundedConfig, size_power: float
) -> np.ndarray:
    """(N,) of 0 or more: class, colours and size, multiplied. Where any region is of the class, others are 0.

    (0.02 + evidence of the class) * (0.05 + colours) * sqrt(area) ** power
    """
    evidence = class_evidence(phrase, regions, config)
    classes = config.class_floor + evidence
    best = evidence.max(initial=0.0)
    if best >= config.least_evidence:
        classes = np.where(evidence >= max(config.least_evidence, config.least_share * best), classes, 0.0)
    colours = (config.colour_floor + region_colour_scores(phrase, regions, config)).prod(1)
    return classes * colours * np.array([region.size for region in regions]) ** size_power


def region_colour_scores(phrase: NounPhrase, regions: Sequence[Region], config: GroundedConfig) -> np.ndarray:
    """(N, C) in [0, 1]: the score of each colour of the phrase in each region."""
    scores = [colour_scores(region.hsv, phrase, config) for region in regions]
    return np.array(scores, np.float64).reshape(len(regions), len(phrase.all_colours))


def presence_probability(phrase: NounPhrase, regions: Sequence[Region], config: GroundedConfig) -> float:
    """[0, 1]: the probability that the image shows such an object, from its best region."""
    if not regions or not (
        phrase.is_anything or phrase.meaning.has_classes or _by_detector(phrase, regions, config).any()
    ):
        return 0.0
    colours = region_colour_scores(phrase, regions, config).prod(1)
    evidence = class_evidence(phrase, regions, config) * (config.colour_doubt + (1 - config.colour_doubt) * colours)
    return float(1 / (1 + np.exp(-config.presence_slope * (evidence.max() - config.presence_at))))


def _by_detector(phrase: NounPhrase, regions: Sequence[Region], config: GroundedConfig) -> np.ndarray:
    """(N,): the best score of a label that fits the noun, reduced where the classifier is sure of a rival class."""
    scores = np.array([label_score(phrase, region.labels) for region in regions], np.float64)
    rivals = rivals_of(phrase.meaning)
    doubt = np.array([sum(region.synsets.get(name, 0.0) for name in rivals) for region in regions], np.float64)
    return scores * (1 - config.rival_doubt * np.clip(doubt, 0, 1))


def _by_classifier(phrase: NounPhrase, regions: Sequence[Region], config: GroundedConfig) -> np.ndarray:
    """(N,): from the probability of the noun's classes on the crop. With a thousand classes, 0.1 for one class is much,
    but any crop gets that for the 118 classes of dogs together. The classifier has no class for people and gives them
    arbitrary ones. So its evidence for an animal or a vehicle is reduced where the detector is sure of something
    else."""
    sums = [sum(region.synsets.get(name, 0.0) for name in phrase.meaning.synsets) for region in regions]
    shares = np.clip(np.array(sums, np.float64), 0, 1)
    half = config.class_half * np.sqrt(max(len(phrase.meaning.synsets), 1))
    return shares * (1 + half) / (shares + half) * (1 - config.rival_doubt * _other_kind_score(phrase, regions))


def _other_kind_score(phrase: NounPhrase, regions: Sequence[Region]) -> np.ndarray:
    """(N,) in [0, 1]: for an animal, the detector's confidence that a box shows none; the same for a vehicle."""
    kind = kind_of(phrase.meaning)
    if kind is None:
        return np.zeros(len(regions))
    others = [[score for name, score in region.labels.items() if name not in kind.coco] for region in regions]
    return np.array([max(scores, default=0.0) for scores in others], np.float64)


@cache
def kind_of(meaning: NounMeaning) -> NounMeaning | None:
    """The kind of `KINDS` that all classes of a noun belong to; None for others, and for nouns without classes."""
    kinds = [kind for kind in map(meaning_of, KINDS) if meaning.synsets <= kind.synsets and meaning.coco <= kind.coco]
    return kinds[0] if kinds and meaning.synsets else None


@cache
def rivals_of(meaning: NounMeaning) -> frozenset[str]:
    """The classifier's classes that exclude an animal or a vehicle: those of all other animals, or vehicles."""
    kind = kind_of(meaning)
    return frozenset() if kind is None else kind.synsets - meaning.synsets
