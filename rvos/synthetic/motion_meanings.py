"""Meanings of motion: no still image can tell whether they are true. Run on a whole film, they name its objects.

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
from rvos.synthetic.film import Actor, Film

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


def verbs_of(film: Film) -> tuple[str, ...]:
    """The verbs that the camera's own motion does not blur."""
    spread = np.ptp(film.camera, axis=0)
    if float(spread.max()) <= _CAMERA_STILL:
        return tuple(TEMPLATES)
    return ("turns",)


def moved(meaning: MotionMeaning, film: Film) -> frozenset[int] | None:
    """Ids of what the meaning names in a film; None where that is disputable. What is never seen is not named."""
    verdicts = {
        actor.item.id: _verdict(meaning.verb, actor, film)
        for actor in film.actors
        if meaning.of.fits(actor.item) and film.visible_of(actor.item.id).any()
    }
    if None in verdicts.values():
        return None
    return frozenset(id for id, verdict in verdicts.items() if verdict)


def _verdict(verb: str, actor: Actor, film: Film) -> bool | None:
    seen = film.visible_of(actor.item.id)
    middle = film.width / 2, 0.5
    outside = (np.abs(actor.poses[:, :2] - middle) - middle).max(axis=1)
    first, last = np.flatnonzero(seen)[[0, -1]]
    # How it goes on outside the camera's view, nobody can say.
    if verb in _ON_THE_WAY and outside[first : last + 1].max() > actor.item.size:
        return None
    # What was hidden did not come in.
    if verb in ("enters", "leaves") and (outside[~seen] <= 0).any():
        return None
    return _VERDICTS[verb](actor, seen)


Verdict = Callable[[Actor, np.ndarray], bool | None]
"""From an actor and the frames (T,) bool on which it is visible."""


def _way(actor: Actor, seen: np.ndarray) -> np.ndarray:
    """(S, 2) places on the frames from the first on which it is visible to the last."""
    frames = np.flatnonzero(seen)
    return actor.poses[frames[0] : frames[-1] + 1, :2]


def _length(way: np.ndarray) -> float:
    return float(np.hypot(*np.diff(way, axis=0).T).sum())


def _goes(dx: int, dy: int) -> Verdict:
    """Moves in one direction of the picture, on the whole and without coming back."""

    def verdict(actor: Actor, seen: np.ndarray) -> bool | None:
        way = _way(actor, seen)
        step, length = way[-1] - way[0], _length(way)
        along, across = float(step @ (dx, dy)), abs(float(step @ (dy, dx)))
        if along >= 0.3 and along >= 1.7 * across and along >= 0.7 * length:
            return True
        towards = float(np.diff(way @ (dx, dy)).clip(min=0).sum())
        return False if towards <= max(0.1, 0.2 * length) else None

    return verdict


def _still(actor: Actor, seen: np.ndarray) -> bool | None:
    return with_margin(_length(_way(actor, seen)), yes_below=_STILL, no_above=0.12)


def _stops(actor: Actor, seen: np.ndarray) -> bool | None:
    way = _way(actor, seen)
    if len(way) < 2 * _TAIL or not seen[-1]:
        return None
    tail, before = _length(way[-_TAIL:]), _length(way[:-_TAIL])
    if tail <= _STILL:
        # What never moved has not stopped.
        return with_margin(-before, -0.25, -_STILL)
    return False if tail >= 0.06 else None


def _circles(actor: Actor, seen: np.ndarray) -> bool | None:
    way = _way(actor, seen)
    off = way - (way.max(0) + way.min(0)) / 2
    angles, radii = np.unwrap(np.arctan2(off[:, 1], off[:, 0])), np.hypot(off[:, 0], off[:, 1])
    turned = abs(float(angles[-1] - angles[0]))
    # On a straight way it passes its own middle.
    if _length(way) < 0.15 or turned <= 1.1 * math.pi or radii.min() <= 0.25 * radii.max():
        return False
    return True if turned >= 1.5 * math.pi and radii.min() >= 0.7 * radii.max() else None


def _resized(sign: int) -> Verdict:
    def verdict(actor: Actor, seen: np.ndarray) -> bool | None:
        frames = np.flatnonzero(seen)
        sizes = np.log(actor.poses[frames, 2])
        change, span = sign * float(sizes[-1] - sizes[0]), float(np.ptp(sizes))
        if change >= math.log(1.35) and change >= 0.95 * span:
            return True
        return False if span <= math.log(1.06) or -change >= 0.95 * span else None

    return verdict


def _turns(actor: Actor, seen: np.ndarray) -> bool | None:
    frames = np.flatnonzero(seen)
    turned = float(np.ptp(actor.poses[frames, 3]))
    if actor.item.shape in ("circle", "ring") and turned > 0.1:
        return None
    pattern = float(np.ptp(actor.poses[frames, 4]))
    if pattern > 0.1:
        return None
    return with_margin(-turned, -1.8, -0.15)


def _enters(actor: Actor, seen: np.ndarray) -> bool | None:
    if seen[0]:
        return False
    return True if seen[-1] and int(np.abs(np.diff(seen.astype(int))).sum()) == 1 else None


def _leaves(actor: Actor, seen: np.ndarray) -> bool | None:
    return _enters(actor, seen[::-1])


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
