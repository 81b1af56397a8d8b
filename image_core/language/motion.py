"""Separates what an expression says about motion from its still part, which one image can show.

The still part of "the car moving left" is "the car". To find out which of several cars moves left, an image model is
asked for "the cars".
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

ACTIONS = {
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
"""Actions that can be measured on a trajectory -> what each means."""


@dataclass(frozen=True)
class Motion:
    """One statement of an expression about how its target moves. Raises `ValueError` for an unknown action."""

    #: One of `ACTIONS`.
    action: str
    #: left, right, up or down; for `enters` and `leaves` the side; for `sways` across or along; "" where none is given.
    direction: str = ""
    #: What the action relates to, in the words of the expression: "the tree", "another"; "" if there is nothing.
    landmark: str = ""
    #: The expression says that the target does not perform the action.
    negated: bool = False
    #: slow, fast, slowest or fastest; "" where it is not given.
    speed: str = ""
    #: Order among the targets: 1: the first to perform it, 2: the second, -1: the last; 0 where it is not given.
    rank: int = 0
    #: beginning or end; "" where it is not given.
    when: str = ""
    #: How often; 0 where it is not given.
    times: int = 0
    #: It happens after the previous motion of the expression.
    then: bool = False
    #: The words also stay in the still part, since one image shows something of the action: "walking", "parked".
    is_seen: bool = False

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"Motion.action: expected one of {', '.join(ACTIONS)}, got {self.action!r}")

    def document(self) -> dict[str, Any]:
        """Its fields that are set, as JSON values."""
        values = {f: getattr(self, f.name) for f in fields(self)}
        return {f.name: value for f, value in values.items() if value != f.default}


@dataclass(frozen=True)
class TimedExpression:
    """An expression, divided into its still part and its motions."""

    #: As the user gave it.
    text: str
    #: The expression without its words of motion; the text itself where there are none.
    still: str
    #: All of them must hold.
    motions: tuple[Motion, ...] = ()
    #: The still part in the plural, which names every candidate: "the cars" for "the car moving left"; the text itself
    #: without motion.
    candidate_query: str = ""
    #: Whether there are several targets.
    several: bool = False
    #: Their number, where it is given.
    count: int | None = None

    @property
    def needs_motion(self) -> bool:
        """Whether it has a motion that no single image shows: "moving left", but not "walking" alone."""
        return any(not motion.is_seen for motion in self.motions)

    def document(self) -> dict[str, Any]:
        """What a result records of it, as JSON values."""
        if not self.motions:
            return {}
        return {
            "still": self.still,
            "asked": self.candidate_query,
            "motions": [motion.document() for motion in self.motions],
        }
