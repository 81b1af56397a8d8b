"""Data association: decides which track each region of a frame belongs to.

All regions are assigned together (Hungarian algorithm), by their overlap with the carried masks of the tracks. A region
without enough overlap can still be assigned by its appearance, size and distance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from image_core.ranges import Range, Share, Weight, check_ranges
from rvos.tracking.carrying.box import Sizes
from rvos.tracking.regions import Region, overlap


@dataclass(frozen=True)
class AssociationConfig:
    """The numbers by which regions are assigned to tracks."""

    #: Least overlap (IoU) of a region with the carried mask of a track for an assignment by overlap.
    least_overlap: Share = 0.2
    #: Distance between mean pixel features from which on two appearances are not similar at all.
    same_appearance: Annotated[float, Range(1e-3)] = 0.25
    #: Weight of the similarity in appearance; that of the overlap is 1.
    appearance_weight: Weight = 0.5
    #: How far from a track a region of similar appearance may lie without overlap, in sizes of the track.
    reach: Sizes = 1.0
    #: Added to `reach` for each frame that the track has been lost, without limit.
    reach_growth: Sizes = 0.25
    #: Largest ratio between the areas of a track and a region that is assigned without overlap.
    area_ratio: Annotated[float, Range(1)] = 3.0

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Place:
    """Where a track is expected on this frame, and what it looked like."""

    #: (h, w) float32 at work size, the carried mask; None if there is none, as across a cut.
    carried: np.ndarray | None
    #: (C,) float32, mean pixel features.
    appearance: np.ndarray
    #: (x, y) of its last mask, in pixels at work size; None across a cut, where its position is unknown.
    centre: tuple[float, float] | None
    #: Of its last mask, in pixels at work size.
    area: float
    #: Frames for which it has been lost.
    away: int


def assign(places: Sequence[Place], regions: Sequence[Region], config: AssociationConfig) -> dict[int, int]:
    """Position of a region -> position of its track. Regions that fit no track are left out."""
    if not places or not regions:
        return {}
    worth = np.array([[affinity(place, region, config) for place in places] for region in regions])
    return {region: place for region, place in best_pairs(worth) if worth[region, place] > 0}


def best_pairs(worth: np.ndarray) -> list[tuple[int, int]]:
    """(region, place) pairs for which the sum of `worth` is largest. worth: (R, P) float >= 0.

    On nearly all frames every region has the highest worth at a different place, and no solver is needed.
    """
    wanted = worth.argmax(1)
    of_worth = wanted[worth.max(1) > 0]
    if len(np.unique(of_worth)) == len(of_worth):
        return [(region, int(place)) for region, place in enumerate(wanted)]
    from scipy.optimize import linear_sum_assignment  # imported here: it takes half a second, and few runs need it

    regions, places = linear_sum_assignment(worth, maximize=True)
    return [(int(region), int(place)) for region, place in zip(regions, places, strict=True)]


def affinity(place: Place, region: Region, config: AssociationConfig) -> float:
    """How much speaks for a region belonging to a track, >= 0; 0 if it cannot."""
    alike = max(0.0, 1 - float(np.linalg.norm(place.appearance - region.appearance)) / config.same_appearance)
    shared = 0.0 if place.carried is None else overlap(place.carried > 0.5, region.core)
    if shared >= config.least_overlap:
        return shared + config.appearance_weight * alike
    if not alike or not _comparable(place.area, float(region.soft.sum()), config.area_ratio):
        return 0.0
    return config.appearance_weight * alike if _within_reach(place, region, config) else 0.0


def _comparable(one: float, other: float, ratio: float) -> bool:
    return max(one, other) <= ratio * max(min(one, other), 1.0)


def _within_reach(place: Place, region: Region, config: AssociationConfig) -> bool:
    if place.centre is None:
        return True
    rows, columns = np.nonzero(region.core)
    if not len(rows):
        return False
    distance = math.hypot(float(columns.mean()) - place.centre[0], float(rows.mean()) - place.centre[1])
    return distance <= (config.reach + config.reach_growth * place.away) * (math.sqrt(place.area) + 4)
