"""Which track a region of this frame belongs to: by overlap with where the track was carried, by appearance and by
motion, all regions together (Hungarian assignment)."""

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
    """The numbers by which regions are given to tracks."""

    #: Overlap (IoU) from which on a region is where a track was carried.
    least_overlap: Share = 0.2
    #: Distance of mean features beyond which two appearances have nothing in common.
    same_appearance: Annotated[float, Range(1e-3)] = 0.25
    #: How much looking the same counts beside lying in the same place.
    appearance_weight: Weight = 0.5
    #: How far off its place something that looks the same may come up, in its sizes, ...
    reach: Sizes = 1.0
    #: ... and how much farther with every frame that it was away, up to anywhere.
    reach_growth: Sizes = 0.25
    #: Largest ratio of two areas of one thing that was not carried here.
    area_ratio: Annotated[float, Range(1)] = 3.0

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Place:
    """Where a track is expected on this frame, and what it looked like."""

    #: (h, w) float32 where it was carried; None of one that has no place, or across a cut.
    carried: np.ndarray | None
    #: (C,) float32
    appearance: np.ndarray
    #: (x, y) at work size, where it is or was last; None where nothing was anywhere.
    centre: tuple[float, float] | None
    #: Pixels at work size.
    area: float
    #: Frames that it has been without a place.
    away: int


def assign(places: Sequence[Place], regions: Sequence[Region], config: AssociationConfig) -> dict[int, int]:
    """Position of a region -> position of its track; regions of none are left out."""
    if not places or not regions:
        return {}
    from scipy.optimize import linear_sum_assignment  # here: it takes half a second, and masks are followed without it

    worth = np.array([[affinity(place, region, config) for place in places] for region in regions])
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if worth[r, c] > 0}


def affinity(place: Place, region: Region, config: AssociationConfig) -> float:
    """How much speaks for a region being a track: 0 where it cannot be."""
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
