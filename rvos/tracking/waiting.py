"""Frames that the tracker `tracks` has seen and not answered yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rvos.tracking.belief.gathered import Gathered
from rvos.tracking.belief.meaning import Claim


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
    several: float
    #: The track that the user had said is meant, None where nothing was said by then.
    given: int | None
    tracks: tuple[TrackMask, ...]
