"""What an expression says of motion and time: no still picture can answer that, and what is left of it can be asked.

"the car moving left" is, for a still picture, "the car"; and to see which of them does, it has to be asked for "the
cars".
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
    """One thing that is said of how a target moves. Raises `ValueError` for a deed that is not known."""

    #: One of `DEEDS`.
    deed: str
    #: left, right, up or down; of `enters` and `leaves` the side; of `sways` across or along; "" where none is told.
    direction: str = ""
    #: What it is done to, or where, as it was said: "the tree", "another"; "" without.
    landmark: str = ""
    #: It is not done.
    negated: bool = False
    #: slow, fast, slowest or fastest; "" where it is not told.
    speed: str = ""
    #: 1: the first to do it, 2: the second, -1: the last; 0 where it is not told.
    rank: int = 0
    #: beginning or end; "" where it is not told.
    when: str = ""
    #: How often; 0 where it is not told.
    times: int = 0
    #: It comes after the one before.
    then: bool = False
    #: The words stay in the still part too, for a picture shows something of it: "walking", "parked".
    is_seen: bool = False

    def __post_init__(self) -> None:
        if self.deed not in DEEDS:
            raise ValueError(f"Motion.deed: expected one of {', '.join(DEEDS)}, got {self.deed!r}")

    def document(self) -> dict[str, Any]:
        """What is told of it, as JSON values."""
        told = asdict(self)
        return {f.name: told[f.name] for f in fields(self) if f.name == "deed" or told[f.name] != f.default}


@dataclass(frozen=True)
class TimedExpression:
    """An expression, what a still picture can show of it, and what only a video can."""

    #: As the user gave it.
    text: str
    #: The expression without its words of motion; the text itself where there are none.
    still: str
    #: Of its motions all hold.
    motions: tuple[Motion, ...] = ()
    #: The still part for all that may be meant: "the cars" for "the car moving left"; the text where nothing moves.
    asked: str = ""
    #: Several things are meant, ...
    several: bool = False
    #: ... and how many, where it is told.
    count: int | None = None

    @property
    def is_told_by_motion(self) -> bool:
        """It says of motion what no picture shows anything of: "moving left", but not "walking" alone."""
        return any(not motion.is_seen for motion in self.motions)

    def document(self) -> dict[str, Any]:
        """What is told of it in a result, as JSON values."""
        if not self.motions:
            return {}
        return {"still": self.still, "asked": self.asked, "motions": [motion.document() for motion in self.motions]}
