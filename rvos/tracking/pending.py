"""What a frame leaves behind until it is answered, which may wait for later frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from image_core.ranges import Share, check_ranges
from rvos.tracking.presence import PresenceModel
from rvos.types import FrameResult


@dataclass(frozen=True)
class TrackMask:
    """A place of a track that may be meant."""

    #: Id of the track.
    id: int
    #: [0, 1], as it was on this frame.
    belief: float
    #: (H, W) bool at frame size.
    mask: np.ndarray


@dataclass(frozen=True)
class Choice:
    """Which tracks are meant: those that come near the one believed most."""

    #: Belief below which none is.
    least: Share = 0.3
    #: How far behind the first a track may lie.
    lead: Share = 0.3

    def __post_init__(self) -> None:
        check_ranges(self)

    def of(self, beliefs: Mapping[int, float]) -> set[int]:
        """Their ids."""
        enough = max(self.least, max(beliefs.values(), default=0.0) - self.lead)
        return {i for i, belief in beliefs.items() if belief >= enough}


@dataclass(frozen=True)
class PendingFrame:
    """One frame for one expression."""

    frame_index: int
    time_s: float
    #: (height, width)
    size: tuple[int, int]
    #: Of the target's presence, after all frames up to this one.
    log_odds: float
    #: Calibrated presence that the image model gave this frame, None where it was not asked.
    observed: float | None
    #: [0, 1]
    score: float
    tracks: tuple[TrackMask, ...]

    def result(
        self,
        expression_index: int,
        choice: Choice,
        beliefs: Mapping[int, float],
        later: Iterable[PendingFrame],
        presence: PresenceModel,
        threshold: float,
    ) -> FrameResult:
        """The result of this frame. beliefs: what is believed of tracks by now, by id; later: the frames that have
        passed since; threshold: presence from which on anything is shown."""
        shift = 0.0
        for frame in reversed(list(later)):
            shift = presence.before(shift, frame.observed)
        there = 1 / (1 + math.exp(-(self.log_odds + shift)))
        meant = choice.of({t.id: beliefs.get(t.id, t.belief) for t in self.tracks})
        masks = {t.id: t.mask for t in self.tracks if t.id in meant and t.mask.any()} if there >= threshold else {}
        return FrameResult(
            frame_index=self.frame_index,
            time_s=self.time_s,
            expression_index=expression_index,
            mask=np.logical_or.reduce([np.zeros(self.size, dtype=bool), *masks.values()]),
            score=self.score,
            presence=there,
            track_masks=masks,
        )
