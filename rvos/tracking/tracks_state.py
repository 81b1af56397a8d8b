"""What the tracker `tracks` remembers of one expression on one video."""

from __future__ import annotations

from dataclasses import dataclass, field

from image_core.language.motion import TimedExpression
from rvos.tracking.belief.meaning import Path
from rvos.tracking.belief.presence import PresenceAverage
from rvos.tracking.deciding.album import Album
from rvos.tracking.deciding.decision import Decision
from rvos.tracking.following import Track
from rvos.tracking.maps.steadying import MapMemory
from rvos.tracking.motion.motion_scorer import MotionMemory
from rvos.tracking.waiting import WaitingFrame


@dataclass(frozen=True)
class TracksState:
    """What is remembered of one expression on one video."""

    expression_index: int
    expression: TimedExpression
    tracks: tuple[Track, ...] = ()
    next_id: int = 1
    presence: PresenceAverage = field(default_factory=PresenceAverage)
    #: Memory of the maps of a dense model; None before the first.
    maps: MapMemory | None = None
    #: [0, 1], moving average of whether an answer means several objects.
    several: float = 0.0
    score: float = 0.0
    #: Frames since the image model last answered.
    unanswered: int = 0
    waiting: tuple[WaitingFrame, ...] = ()
    #: In the second of two passes, the best history that the first one found.
    plan: Path = ()
    #: Trajectories of the tracks, if the expression speaks of motion.
    motion: MotionMemory = field(default_factory=MotionMemory)
    #: Images of the tracks; None without a decider.
    album: Album | None = None
    #: Which tracks are meant, if a decider decided that between two passes.
    decision: Decision | None = None
    #: Id of the track whose mask the user gave; None if the user gave none.
    given: int | None = None
