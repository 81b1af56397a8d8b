"""One track of an expression: an object that may be what the words mean, and whether it is to be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from rvos.tracking.evidence import Evidence
from rvos.tracking.object_tracker import ObjectGuess, ObjectState


class Status(StrEnum):
    """present: followed and learned from; uncertain: followed, not learned from; absent: lost, and looked for."""

    PRESENT = "present"
    UNCERTAIN = "uncertain"
    ABSENT = "absent"


@dataclass(frozen=True)
class Track:
    """id: never changes; core: the object's memory; support, heard: what the image model said of the places where the
    object was seen, summed, and how often it was heard; low: frames in a row of a quality below the status; away:
    frames since it was lost; chosen: it was shown on the last frame."""

    id: int
    core: ObjectState
    support: float
    heard: float
    status: Status = Status.PRESENT
    low: int = 0
    away: int = 0
    chosen: bool = False

    @property
    def live(self) -> bool:
        """It has a place on this frame."""
        return self.status is not Status.ABSENT


@dataclass(frozen=True)
class Thresholds:
    """When a track changes its status. quality is that of `ObjectGuess`; patience: frames in a row."""

    uncertain: float = 0.4
    uncertain_patience: int = 2
    absent: float = 0.25
    absent_patience: int = 4
    write: float = 0.6

    def after(self, track: Track, quality: float) -> Track:
        """The track with the status that one more frame of this quality gives it (hysteresis both ways)."""
        if quality >= self.uncertain:
            return replace(track, status=Status.PRESENT, low=0)
        low = track.low + 1
        if quality < self.absent and low >= self.absent_patience:
            return replace(track, status=Status.ABSENT, low=low, away=0)
        status = Status.UNCERTAIN if low >= self.uncertain_patience else track.status
        return replace(track, status=status, low=low)


@dataclass(frozen=True)
class BeliefModel:
    """How words and places are weighed. memory: share of what was heard that is kept from one frame to the next;
    prior: how many frames of "half" every track begins with."""

    memory: float = 0.97
    prior: float = 2.0

    def hear(self, track: Track, said: float) -> Track:
        """The track after the image model gave its place a probability in [0, 1]."""
        return replace(track, support=self.memory * track.support + said, heard=self.memory * track.heard + 1)

    def forget(self, track: Track) -> Track:
        """The track after a frame on which it was not to be seen: what was known of it slowly loses weight."""
        return replace(track, support=self.memory * track.support, heard=self.memory * track.heard)

    def of(self, track: Track) -> float:
        """Belief in [0, 1] that this is what the words mean."""
        return (track.support + 0.5 * self.prior) / (track.heard + self.prior)


def said_of(guess: ObjectGuess, evidence: Evidence) -> float:
    """Mean probability that the image model gives the place of a guess; 0 for an empty one."""
    place = guess.probs > 0.5
    return float(evidence.probs[place].mean()) if place.any() else 0.0


def touching(place: np.ndarray, evidence: Evidence, least: float = 0.3) -> np.ndarray:
    """(h, w) bool: the union of the evidence's regions that lie on a place, or that the place lies in."""
    found = np.zeros_like(place)
    for region in evidence.regions:
        shared = np.count_nonzero(region & place)
        if shared > least * min(np.count_nonzero(region), np.count_nonzero(place)):
            found |= region
    return found
