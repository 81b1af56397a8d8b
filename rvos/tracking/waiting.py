"""Frames that the tracker `tracks` has processed and whose results are still to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rvos.tracking.belief.meaning import Claim
from rvos.tracking.belief.presence import PresenceAverage
from rvos.tracking.track_evidence import NO_TRACK


@dataclass(frozen=True)
class TrackMask:
    """A track that might be shown on a frame."""

    id: int
    claim: Claim
    #: (H, W) bool at frame size.
    mask: np.ndarray


@dataclass(frozen=True)
class WaitingFrame:
    """A frame until its result is given, which may wait for later frames."""

    frame_index: int
    time_s: float
    #: (height, width)
    size: tuple[int, int]
    score: float
    #: Gathered from the answers up to this frame.
    presence: PresenceAverage
    #: Presence of the answer on this frame, None if there was none.
    observed: float | None
    #: The same, scaled down for the tracks that the user had denied by then (`open_share`).
    observed_open: float | None
    several: float
    #: Id of the track that the user had said is meant by then; `NO_TRACK` if absent, None if nothing was said.
    given: int | None
    tracks: tuple[TrackMask, ...]


def observed_after(later: Sequence[WaitingFrame]) -> list[float]:
    """The presence of the answers on later frames, as it counts for an earlier one. If tracks were denied only after
    the earlier frame, the denial does not count for it: the presence is taken as it was answered."""
    denied_later = any(frame.given == NO_TRACK for frame in later)
    presences = [frame.observed if denied_later else frame.observed_open for frame in later]
    return [presence for presence in presences if presence is not None]
