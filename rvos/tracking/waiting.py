"""Frames that the tracker `tracks` has seen and not answered yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rvos.tracking.belief.gathered import Gathered
from rvos.tracking.belief.meaning import Claim
from rvos.tracking.judging import NOBODY


@dataclass(frozen=True)
class TrackMask:
    """A track that might be shown on a frame."""

    id: int
    claim: Claim
    #: (H, W) bool at frame size.
    mask: np.ndarray


@dataclass(frozen=True)
class WaitingFrame:
    """A frame until it is answered, which may wait for later ones."""

    frame_index: int
    time_s: float
    #: (height, width)
    size: tuple[int, int]
    score: float
    #: Of the answers up to this frame.
    presence: Gathered
    #: What the answer of this frame said of it, None where there was none.
    observed: float | None
    #: The part of it that is of tracks which the user had not denied by then.
    observed_open: float | None
    several: float
    #: The track that the user had said is meant, `NOBODY` where it is not there, None where nothing was said by then.
    given: int | None
    tracks: tuple[TrackMask, ...]


def observed_after(later: Sequence[WaitingFrame]) -> list[float]:
    """What the answers of later frames say of the presence on an earlier one: a denial counts from its frame on."""
    denied_later = any(frame.given == NOBODY for frame in later)
    said = [frame.observed if denied_later else frame.observed_open for frame in later]
    return [presence for presence in said if presence is not None]
