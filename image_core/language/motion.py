"""What an expression says about motion and time, which no still picture shows, and the rest of it, which one does.

For a still picture "the car moving left" is "the car". To find out which of several cars moves left, an image model is
asked for "the cars".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

DEEDS = {
    "moves": "changes its place",
    "goes": "moves in a direction",
    "still": "does not move",
    "stops": "moves, then rests",
    "starts": "rests, then moves",
    "slows": "becomes slower",
    "speeds": "becomes faster",
    "turns": "turns into another direction, or round itself",
    "spins": "turns round itself",
    "circles": "goes round in circles",
    "sways": "goes there and back, along or across",
    "grows": "comes nearer to the camera, becomes larger",
    "shrinks": "goes away from the camera, becomes smaller",
    "enters": "comes into the picture, from a side",
    "leaves": "goes out of the picture, by a side",
    "crosses": "goes from one side of the picture to the other",
    "follows": "goes where a landmark goes, behind it",
    "leads": "is followed by a landmark",
    "overtakes": "is behind a landmark, then ahead of it",
    "joins": "moves towards a landmark",
    "parts": "moves away from a landmark",
}
"""What can be measured of a track, and what it means."""


@dataclass(frozen=True)
class Motion:
    """One statement about how a target moves. Raises `ValueError` for a deed that is not known."""

    #: One of `DEEDS`.
    deed: str
    #: left, right, up or down; for `enters` and `leaves` the side; for `sways` across or along; "" where none is given.
    direction: str = ""
    #: What it is done to, or where, as it was said: "the tree", "another"; "" without.
    landmark: str = ""
    #: The expression says that the target does not do it.
    negated: bool = False
    #: slow, fast, slowest or fastest; "" where it is not given.
    speed: str = ""
    #: 1: the first to do it, 2: the second, -1: the last; 0 where it is not given.
    rank: int = 0
    #: beginning or end; "" where it is not given.
    when: str = ""
    #: How often; 0 where it is not given.
    times: int = 0
    #: It comes after the motion before it.
    then: bool = False
    #: The words also stay in the still part, since a picture shows something of it: "walking", "parked".
    is_seen: bool = False

    def __post_init__(self) -> None:
        if self.deed not in DEEDS:
            raise ValueError(f"Motion.deed: expected one of {', '.join(DEEDS)}, got {self.deed!r}")

    def document(self) -> dict[str, Any]:
        """Its fields that are set, as JSON values."""
        values = asdict(self)
        return {f.name: values[f.name] for f in fields(self) if f.name == "deed" or values[f.name] != f.default}


@dataclass(frozen=True)
class TimedExpression:
    """An expression, what a still picture can show of it, and what only a video can."""

    #: As the user gave it.
    text: str
    #: The expression without its words of motion; the text itself where there are none.
    still: str
    #: All of them must hold.
    motions: tuple[Motion, ...] = ()
    #: The still part for all candidates: "the cars" for "the car moving left"; the text itself without motion.
    asked: str = ""
    #: Whether there are several targets.
    several: bool = False
    #: Their number, where it is given.
    count: int | None = None

    @property
    def needs_motion(self) -> bool:
        """Whether it has a motion of which a picture shows nothing: "moving left", but not "walking" alone."""
        return any(not motion.is_seen for motion in self.motions)

    def document(self) -> dict[str, Any]:
        """What a result records of it, as JSON values."""
        if not self.motions:
            return {}
        return {"still": self.still, "asked": self.asked, "motions": [motion.document() for motion in self.motions]}
