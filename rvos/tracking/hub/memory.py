"""What a network that carries masks remembers of one object, as arrays: all that its memory attention can still reach.

SAM 2's own session keeps every frame. Its attention reads the features of the last few frames, the object pointers of
some more, and all frames on which the network was shown a mask. Here features and pointers are dropped as soon as they
are out of reach, which changes nothing, and only a few of the frames with a shown mask are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Reach:
    """How far back the memory attention of a network reaches, in frames."""

    #: For features.
    features: int
    #: For object pointers.
    pointers: int

    def __post_init__(self) -> None:
        if min(self.features, self.pointers) < 1:
            raise ValueError(f"Reach: expected at least one frame of each, got {self}")


@dataclass(frozen=True)
class FrameMemory:
    """What a network remembers of the object on one frame."""

    #: Counted from the first frame on which the network saw the object.
    index: int
    #: (1, 1, C) float32, the object pointer.
    pointer: np.ndarray
    #: (P, 1, c) or (1, P, c), as the network has it, for P positions in the image: float32, or the bits of bfloat16
    #: as int16. None if only the pointer is in reach.
    features: np.ndarray | None


@dataclass(frozen=True)
class NetworkMemory:
    """What a network remembers of one object, between two frames."""

    #: The index of the next frame.
    clock: int
    #: Shaped as `features`, float32: the position encoding, which is the same on all frames.
    places: np.ndarray
    #: The frames on which the network was shown the object's mask.
    anchors: tuple[FrameMemory, ...]
    #: The latest of the other frames.
    recent: tuple[FrameMemory, ...] = ()

    def __post_init__(self) -> None:
        if not self.anchors:
            raise ValueError("NetworkMemory.anchors: expected a frame that the mask was shown on, got none")

    def with_anchor(self, frame: FrameMemory, most: int, reach: Reach) -> NetworkMemory:
        """After a frame on which the mask was shown. Of more than `most` anchors the second oldest is dropped, since
        the object began with the first."""
        kept = (*self.anchors, frame)
        if len(kept) > most:
            kept = (*kept[:1], *kept[2:]) if most > 1 else kept[-1:]
        return replace(self._later(reach), anchors=kept)

    def with_frame(self, frame: FrameMemory, reach: Reach) -> NetworkMemory:
        """After a frame on which the network carried the mask."""
        return replace(self, recent=(*self.recent, frame))._later(reach)

    def without_frame(self, reach: Reach) -> NetworkMemory:
        """After a frame that is not remembered."""
        return self._later(reach)

    def _later(self, reach: Reach) -> NetworkMemory:
        """One frame on: drops what is out of reach from the next frame."""
        clock = self.clock + 1
        recent = [
            frame if clock - frame.index <= reach.features else replace(frame, features=None)
            for frame in self.recent
            if clock - frame.index <= reach.pointers
        ]
        return replace(self, clock=clock, recent=tuple(recent))
