"""The tracks of an expression: objects that may be what the words mean, and how much speaks for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from rvos.tracking.appearance import pixel_features
from rvos.view.frame_view import View


class Status(StrEnum):
    """present: it has a place on this frame and is shown; uncertain: it has a place and is not believed in enough;
    absent: it has none, and is looked for by its looks."""

    PRESENT = "present"
    UNCERTAIN = "uncertain"
    ABSENT = "absent"


@dataclass(frozen=True)
class Track:
    """id: never changes; look: (C,) float32, mean pixel features; support, heard: what the image model said of the
    places where it was seen, summed, and how often it was heard, both by weight; away: frames since it was seen."""

    id: int
    look: np.ndarray
    support: float
    heard: float
    status: Status = Status.UNCERTAIN
    away: int = 0


@dataclass(frozen=True)
class BeliefModel:
    """How words and places are weighed. memory: share of what was heard that is kept from one frame to the next;
    prior: how much weight of "half" every track begins with."""

    memory: float = 0.97
    prior: float = 1.0

    def fade(self, track: Track) -> Track:
        """The track one frame later, nothing new heard."""
        return replace(track, support=self.memory * track.support, heard=self.memory * track.heard)

    def hear(self, track: Track, said: float, weight: float) -> Track:
        """The track after the image model gave its place a probability in [0, 1], on a frame of this weight."""
        return replace(track, support=track.support + weight * said, heard=track.heard + weight)

    def of(self, track: Track) -> float:
        """Belief in [0, 1] that this is what the words mean."""
        return (track.support + 0.5 * self.prior) / (track.heard + self.prior)


def look_of(view: View, region: np.ndarray) -> np.ndarray:
    """(C,) float32: the mean pixel features of a region (h, w) bool at work size."""
    height, width = view.once(pixel_features).shape[:2]
    inside = region[::2, ::2][:height, :width]
    features = view.once(pixel_features)[: inside.shape[0], : inside.shape[1]]
    return features[inside].mean(0) if inside.any() else features[:: max(1, height - 1)].mean((0, 1))


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """How far two looks lie apart, 0 for the same."""
    return float(np.linalg.norm(one - other))
