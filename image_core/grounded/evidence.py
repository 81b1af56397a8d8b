"""How much speaks for each region being what a noun phrase asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from image_core.grounded.colours import colour_share
from image_core.grounded.config import GroundedConfig
from image_core.grounded.regions import Region
from image_core.grounded.understanding import Thing
from image_core.language.plurals import singular_of


def class_evidence(thing: Thing, regions: Sequence[Region]) -> np.ndarray:
    """(N,) in [0, 1]: the probability that the detector or the classifier names the noun's class right.

    Of a phrase without a noun: that there is anything.
    """
    detected, classified = _by_detector(thing, regions), _by_classifier(thing, regions)
    return 1 - (1 - detected) * (1 - classified)


def weights(thing: Thing, regions: Sequence[Region], config: GroundedConfig, by_size: bool) -> np.ndarray:
    """(N,) above 0: class, colours, and where asked size, multiplied. Where any region is of the class, others are 0.

    (0.02 + [class of the noun] * score + P(noun | crop) * score) * (0.05 + share of the colour) * sqrt(area)

    The score is the detector's: what a classifier says is given that the box holds one thing, and not half of it.
    """
    scores = np.array([region.score for region in regions], np.float64)
    classes = config.class_floor + _by_detector(thing, regions) + _by_classifier(thing, regions) * scores
    evidence = class_evidence(thing, regions)
    best = evidence.max(initial=0.0)
    if best >= config.least_evidence:
        classes = np.where(evidence >= max(config.least_evidence, config.least_share * best), classes, 0.0)
    colours = (config.colour_floor + colour_shares(thing, regions)).prod(1)
    return classes * colours * (_sizes(regions) if by_size else 1)


def colour_shares(thing: Thing, regions: Sequence[Region]) -> np.ndarray:
    """(N, C) in [0, 1]: the share of each region that is of each of the thing's colours."""
    shares = [[colour_share(region.hsv, colour) for colour in thing.colours] for region in regions]
    return np.array(shares, np.float64).reshape(len(regions), len(thing.colours))


def presence_of(thing: Thing, regions: Sequence[Region], config: GroundedConfig) -> float:
    """[0, 1]: how sure it is that the picture shows such a thing, by its best region."""
    if not regions or not (thing.is_anything or thing.meaning.known or _by_detector(thing, regions).any()):
        return 0.0
    seen = np.clip(colour_shares(thing, regions) / max(config.colour_enough, 1e-6), 0, 1).prod(1)
    evidence = class_evidence(thing, regions) * (config.colour_doubt + (1 - config.colour_doubt) * seen)
    return float(1 / (1 + np.exp(-config.presence_slope * (evidence.max() - config.presence_at))))


def _by_detector(thing: Thing, regions: Sequence[Region]) -> np.ndarray:
    """(N,): the best score under a name that fits the noun, also where the detector's names are not COCO's."""
    if thing.is_anything:
        return np.array([region.score for region in regions], np.float64)
    names = thing.meaning.coco | {thing.noun, singular_of(thing.noun), thing.phrase}
    scores = [max((s for label, s in region.labels.items() if label in names), default=0.0) for region in regions]
    return np.array(scores, np.float64)


def _by_classifier(thing: Thing, regions: Sequence[Region]) -> np.ndarray:
    """(N,): the probability of the noun's classes on the crop."""
    sums = [sum(region.synsets.get(name, 0.0) for name in thing.meaning.synsets) for region in regions]
    return np.clip(np.array(sums, np.float64), 0, 1)


def _sizes(regions: Sequence[Region]) -> np.ndarray:
    return np.array([region.size for region in regions], np.float64)
