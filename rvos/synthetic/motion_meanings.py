"""Meanings of motion: no still image can tell whether they are true. Run on a whole animation, they name its objects.

As with the meanings of still pictures, each verdict has a margin in which it is withheld. Where the camera moves, only
what does not depend on it is spoken of.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np

from image_core.synthetic.judgement import with_margin
from image_core.synthetic.meanings import Kind
from image_core.synthetic.realisation import realise
from rvos.synthetic.animation import Animation, MovingObject

_CAMERA_STILL = 0.03
_STILL = 0.02
_ON_THE_WAY = ("left", "right", "up", "down", "still", "stops", "circles")
_TAIL = 8
"""Frames at the end by which one is said to have stopped."""

TEMPLATES: dict[str, tuple[str, ...]] = {
    "left": ("{} moving left", "{} that moves to the left", "{} going left"),
    "right": ("{} moving right", "{} that moves to the right", "{} going right"),
    "up": ("{} moving up", "{} that moves upwards", "{} that rises"),
    "down": ("{} moving down", "{} that moves downwards", "{} that sinks"),
    "still": ("{} that stands still", "{} that does not move", "{} standing still"),
    "stops": ("{} that stops", "{} that moves and then stops", "{} that comes to rest"),
    "circles": ("{} moving in a circle", "{} that goes round in circles", "{} circling"),
    "grows": ("{} that grows", "{} getting bigger", "{} that becomes larger"),
    "shrinks": ("{} that shrinks", "{} getting smaller", "{} that becomes smaller"),
    "turns": ("{} that turns", "{} spinning", "{} that is turning round"),
    "enters": ("{} that comes in", "{} that enters the picture", "{} coming into view"),
    "leaves": ("{} that leaves", "{} that leaves the picture", "{} going out of view"),
}


@dataclass(frozen=True)
class MotionMeaning:
    """Those of a kind that do what the verb says; `verb` is a key of `TEMPLATES`."""

    of: Kind
    verb: str


def say_motion(meaning: MotionMeaning, rng: Random) -> str:
    """The text of a motion meaning; the words of the kind are those of still pictures."""
    head = realise(meaning.of, rng)
    # A clause of its own behind the noun would make the second one ambiguous.
    while " that " in head or not head.startswith("the "):
        head = realise(meaning.of, rng)
    return rng.choice(TEMPLATES[meaning.verb]).format(head)


def verbs_of(animation: Animation) -> tuple[str, ...]:
    """The verbs that the camera's own motion does not blur."""
    spread = np.ptp(animation.camera, axis=0)
    if float(spread.max()) <= _CAMERA_STILL:
        return tuple(TEMPLATES)
    return ("turns",)


def objects_that_move(meaning: MotionMeaning, animation: Animation) -> frozenset[int] | None:
    """Ids of what the meaning names in an animation; None where that is disputable. What is never seen is not named."""
    verdicts = {
        moving.item.id: _verdict(meaning.verb, moving, animation)
        for moving in animation.objects
        if meaning.of.fits(moving.item) and animation.visible_of(moving.item.id).any()
    }
    if None in verdicts.values():
        return None
    return frozenset(id for id, verdict in verdicts.items() if verdict)


def _verdict(verb: str, moving: MovingObject, animation: Animation) -> bool | None:
    seen = animation.visible_of(moving.item.id)
    middle = animation.width / 2, 0.5
    outside = (np.abs(moving.poses[:, :2] - middle) - middle).max(axis=1)
    first, last = np.flatnonzero(seen)[[0, -1]]
    # How it goes on outside the camera's view, nobody can say.
    if verb in _ON_THE_WAY and outside[first : last + 1].max() > moving.item.size:
        return None
    # What was hidden did not come in.
    if verb in ("enters", "leaves") and (outside[~seen] <= 0).any():
        return None
    return _VERDICTS[verb](moving, seen)


Verdict = Callable[[MovingObject, np.ndarray], bool | None]
"""From a moving object and the frames (T,) bool on which it is visible."""


def _path(moving: MovingObject, seen: np.ndarray) -> np.ndarray:
    """(S, 2) places on the frames from the first on which it is visible to the last."""
    frames = np.flatnonzero(seen)
    return moving.poses[frames[0] : frames[-1] + 1, :2]


def _length(path: np.ndarray) -> float:
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def _goes(dx: int, dy: int) -> Verdict:
    """Moves in one direction of the picture, on the whole and without coming back."""

    def verdict(moving: MovingObject, seen: np.ndarray) -> bool | None:
        path = _path(moving, seen)
        step, length = path[-1] - path[0], _length(path)
        along, across = float(step @ (dx, dy)), abs(float(step @ (dy, dx)))
        if along >= 0.3 and along >= 1.7 * across and along >= 0.7 * length:
            return True
        towards = float(np.diff(path @ (dx, dy)).clip(min=0).sum())
        return False if towards <= max(0.1, 0.2 * length) else None

    return verdict


def _still(moving: MovingObject, seen: np.ndarray) -> bool | None:
    return with_margin(_length(_path(moving, seen)), yes_below=_STILL, no_above=0.12)


def _stops(moving: MovingObject, seen: np.ndarray) -> bool | None:
    path = _path(moving, seen)
    if len(path) < 2 * _TAIL or not seen[-1]:
        return None
    tail, before = _length(path[-_TAIL:]), _length(path[:-_TAIL])
    if tail <= _STILL:
        # What never moved has not stopped.
        return with_margin(-before, -0.25, -_STILL)
    return False if tail >= 0.06 else None


def _circles(moving: MovingObject, seen: np.ndarray) -> bool | None:
    path = _path(moving, seen)
    off = path - (path.max(0) + path.min(0)) / 2
    angles, radii = np.unwrap(np.arctan2(off[:, 1], off[:, 0])), np.hypot(off[:, 0], off[:, 1])
    turned = abs(float(angles[-1] - angles[0]))
    # On a straight way it passes its own middle.
    if _length(path) < 0.15 or turned <= 1.1 * math.pi or radii.min() <= 0.25 * radii.max():
        return False
    return True if turned >= 1.5 * math.pi and radii.min() >= 0.7 * radii.max() else None


def _resized(sign: int) -> Verdict:
    def verdict(moving: MovingObject, seen: np.ndarray) -> bool | None:
        frames = np.flatnonzero(seen)
        sizes = np.log(moving.poses[frames, 2])
        change, span = sign * float(sizes[-1] - sizes[0]), float(np.ptp(sizes))
        if change >= math.log(1.35) and change >= 0.95 * span:
            return True
        return False if span <= math.log(1.06) or -change >= 0.95 * span else None

    return verdict


def _turns(moving: MovingObject, seen: np.ndarray) -> bool | None:
    frames = np.flatnonzero(seen)
    turned = float(np.ptp(moving.poses[frames, 3]))
    if moving.item.shape in ("circle", "ring") and turned > 0.1:
        return None
    pattern = float(np.ptp(moving.poses[frames, 4]))
    if pattern > 0.1:
        return None
    return with_margin(-turned, -1.8, -0.15)


def _enters(moving: MovingObject, seen: np.ndarray) -> bool | None:
    if seen[0]:
        return False
    return True if seen[-1] and int(np.abs(np.diff(seen.astype(int))).sum()) == 1 else None


def _leaves(moving: MovingObject, seen: np.ndarray) -> bool | None:
    return _enters(moving, seen[::-1])


_VERDICTS: dict[str, Verdict] = {
    "left": _goes(-1, 0),
    "right": _goes(1, 0),
    "up": _goes(0, -1),
    "down": _goes(0, 1),
    "still": _still,
    "stops": _stops,
    "circles": _circles,
    "grows": _resized(1),
    "shrinks": _resized(-1),
    "turns": _turns,
    "enters": _enters,
    "leaves": _leaves,
}
