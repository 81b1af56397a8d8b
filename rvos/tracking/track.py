"""The tracks of an expression: objects that may be what the words mean, and how much speaks for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

import numpy as np

from image_core.ranges import Range, Share, check_ranges
from rvos.tracking.appearance import pixel_features
from rvos.view.frame_view import View


class Status(StrEnum):
    """present: it has a place on this frame and is shown; uncertain: it has a place and is not believed in enough;
    absent: it has none, and is searched by its appearance."""

    PRESENT = "present"
    UNCERTAIN = "uncertain"
    ABSENT = "absent"


@dataclass(frozen=True)
class Track:
    """One object that may be what the words mean."""

    #: Never changes.
    id: int
    #: (C,) float32, mean pixel features.
    appearance: np.ndarray
    #: What the image model answered of the places where it was, summed by weight.
    support: float
    #: The sum of these weights.
    weight: float
    status: Status = Status.UNCERTAIN
    #: Frames since it had a place.
    away: int = 0


@dataclass(frozen=True)
class BeliefModel:
    """How words and places are weighed."""

    #: Share of the evidence that is kept from one frame to the next.
    memory: Share = 0.97
    #: How much weight of "half" every track begins with.
    prior: Annotated[float, Range(1e-6)] = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def fade(self, track: Track) -> Track:
        """The track one frame later, without new evidence."""
        return replace(track, support=self.memory * track.support, weight=self.memory * track.weight)

    def observe(self, track: Track, probability: float, weight: float) -> Track:
        """The track after the image model gave its place a probability in [0, 1], on a frame of this weight."""
        return replace(track, support=track.support + weight * probability, weight=track.weight + weight)

    def of(self, track: Track) -> float:
        """Belief in [0, 1] that this is what the words mean."""
        return (track.support + 0.5 * self.prior) / (track.weight + self.prior)


def appearance_of(view: View, region: np.ndarray) -> np.ndarray:
    """(C,) float32: the mean pixel features of a region (h, w) bool at work size."""
    height, width = view.once(pixel_features).shape[:2]
    inside = region[::2, ::2][:height, :width]
    features = view.once(pixel_features)[: inside.shape[0], : inside.shape[1]]
    return features[inside].mean(0) if inside.any() else features[:: max(1, height - 1)].mean((0, 1))


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """How far two appearances lie apart, 0 for the same."""
    return float(np.linalg.norm(one - other))
