"""What the tracker `tracks` remembers of one expression on one video."""

from __future__ import annotations

from dataclasses import dataclass, field

from image_core.language.motion import TimedExpression
from rvos.tracking.belief.gathered import Gathered
from rvos.tracking.belief.meaning import Path
from rvos.tracking.deciding.album import Album
from rvos.tracking.deciding.decision import Decision
from rvos.tracking.following import Track
from rvos.tracking.maps.steadying import MapMemory
from rvos.tracking.motion.by_motion import MotionMemory
from rvos.tracking.waiting import WaitingFrame


@dataclass(frozen=True)
class TracksState:
    """What is remembered of one expression on one video."""

    expression_index: int
    expression: TimedExpression
    tracks: tuple[Track, ...] = ()
    next_id: int = 1
    presence: Gathered = field(default_factory=Gathered)
    #: Of the maps of a dense model; None before the first.
    maps: MapMemory | None = None
    #: How often several things were meant at once, [0, 1].
    several: float = 0.0
    score: float = 0.0
    #: Frames since the image model last answered.
    unanswered: int = 0
    waiting: tuple[WaitingFrame, ...] = ()
    #: Which track is meant when, where the video was watched before.
    plan: Path = ()
    #: Where the tracks went, where the words speak of motion.
    motion: MotionMemory = field(default_factory=MotionMemory)
    #: Pictures of the tracks; None where nobody decides by them.
    album: Album | None = None
    #: Which tracks are meant, where that was decided between two passes.
    decision: Decision | None = None
    #: The track that the user said is meant, from the frame on where that was said.
    given: int | None = None
