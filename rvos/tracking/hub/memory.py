"""What a network that carries masks remembers of one object, as arrays: all that its memory attention can still reach.

SAM 2's own session keeps every frame. Its attention reaches back a few frames for the features of pictures, some more
for the pointers to the object, and to all frames that it was shown a mask on. Here the first two are forgotten as soon
as they are out of reach, which changes nothing, and of the last a few are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Reach:
    """How far back the memory attention of a network reaches, in frames."""

    #: For the features of pictures.
    features: int
    #: For pointers to the object.
    pointers: int

    def __post_init__(self) -> None:
        if min(self.features, self.pointers) < 1:
            raise ValueError(f"Reach: expected at least one frame of each, got {self}")


@dataclass(frozen=True)
class FrameMemory:
    """What a network made of the object on one frame."""

    #: Counted from the first frame that the network saw of the object.
    index: int
    #: (1, 1, C) float32, the pointer to the object.
    pointer: np.ndarray
    #: (P, 1, c) or (1, P, c), as the network has it, of the picture's places: float32, or the bits of bfloat16 as
    #: int16. None where only the pointer is in reach.
    features: np.ndarray | None


@dataclass(frozen=True)
class NetworkMemory:
    """Of one object, between two frames."""

    #: The number of the frame that comes next.
    clock: int
    #: As `features`, float32: the places themselves, which are the same on all frames.
    places: np.ndarray
    #: The frames on which it was shown the object's mask.
    anchors: tuple[FrameMemory, ...]
    #: The latest of the others.
    recent: tuple[FrameMemory, ...] = ()

    def __post_init__(self) -> None:
        if not self.anchors:
            raise ValueError("NetworkMemory.anchors: expected a frame that the mask was shown on, got none")

    def with_anchor(self, frame: FrameMemory, most: int, reach: Reach) -> NetworkMemory:
        """After a frame on which the mask was shown. Of more than `most` anchors the second oldest goes: the first is
        what the object was begun with."""
        kept = (*self.anchors, frame)
        if len(kept) > most:
            kept = (*kept[:1], *kept[2:]) if most > 1 else kept[-1:]
        return replace(self._later(reach), anchors=kept)

    def with_frame(self, frame: FrameMemory, reach: Reach) -> NetworkMemory:
        """After a frame that it carried the mask to."""
        return replace(self, recent=(*self.recent, frame))._later(reach)

    def without_frame(self, reach: Reach) -> NetworkMemory:
        """After a frame of which nothing is to be remembered."""
        return self._later(reach)

    def _later(self, reach: Reach) -> NetworkMemory:
        """One frame on: what is out of reach from the next one is forgotten."""
        clock = self.clock + 1
        recent = [
            frame if clock - frame.index <= reach.features else replace(frame, features=None)
            for frame in self.recent
            if clock - frame.index <= reach.pointers
        ]
        return replace(self, clock=clock, recent=tuple(recent))
