"""What an expression means: a small program that, run on a scene, gives the objects it refers to.

Every comparison has a margin. Where an object falls inside one, so that two people might disagree, the program raises
`Ambiguous` instead of answering: such an expression is never uttered of that scene. Lengths are in units of the
image's short side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from image_core.synthetic.judgement import (
    DISTANCE_GAP,
    all_true,
    beside,
    between,
    bigger,
    gap,
    in_order,
    precedes,
    with_margin,
)
from image_core.synthetic.scene import Scene, SceneObject

MIN_OVERLAP = 0.1
"""Share of the smaller object hidden from which one is said to be behind the other; below a fifth of it, it is not."""

SIDES = ("left", "right", "top", "bottom")
OPPOSITES = {"left": "right", "right": "left", "top": "bottom", "bottom": "top", "big": "small", "small": "big"}


class Ambiguous(Exception):  # noqa: N818 - a result, not an error
    """The expression has more than one possible answer in the scene."""


@dataclass(frozen=True)
class Kind:
    """The objects with these attributes; None leaves one open."""

    shape: str | None = None
    colour: str | None = None
    fill: str | None = None

    def fits(self, item: SceneObject) -> bool:
        """Whether an object has all the attributes that are named."""
        return (
            self.shape in (None, item.shape) and self.colour in (None, item.colour) and self.fill in (None, item.fill)
        )

    def __call__(self, scene: Scene) -> frozenset[int]:
        return frozenset(o.id for o in scene.objects if self.fits(o))


@dataclass(frozen=True)
class Unlike:
    """The objects of a kind that lack one attribute: "the circle that is not red"."""

    of: Kind
    trait: Kind

    def __call__(self, scene: Scene) -> frozenset[int]:
        return self.of(scene) - self.trait(scene)


@dataclass(frozen=True)
class Located:
    """Those of `of` in one part of the image: vertical in top, bottom or None, horizontal in left, right or None.

    Both None is the middle. Two thirds of a half count as clearly on that side.
    """

    of: Kind
    vertical: str | None = None
    horizontal: str | None = None

    def __call__(self, scene: Scene) -> frozenset[int]:
        return _clear(scene, self.of, lambda o: self._contains(scene, o))

    def _contains(self, scene: Scene, item: SceneObject) -> bool | None:
        x, y = item.x / scene.width - 0.5, item.y / scene.height - 0.5
        if self.vertical is None and self.horizontal is None:
            off = max(abs(x), abs(y))
            return with_margin(off, yes_below=0.12, no_above=0.24)
        across = None if self.horizontal is None else (x if self.horizontal == "right" else -x)
        down = None if self.vertical is None else (y if self.vertical == "bottom" else -y)
        # A corner is further out than a side.
        wanted = 0.16 if across is not None and down is not None else 0.11
        return all_true([with_margin(-v, -wanted, 0.03) for v in (across, down) if v is not None])


@dataclass(frozen=True)
class Beside:
    """Those of `of` to one side of the anchor: left, right (of), top (above), bottom (below)."""

    of: Kind
    side: str
    anchor: Meaning

    def __call__(self, scene: Scene) -> frozenset[int]:
        return _related(scene, self.of, self.anchor, lambda item, anchor: beside(item, anchor, self.side))


@dataclass(frozen=True)
class Near:
    """Those of `of` next to the anchor: the gap between the two is small."""

    of: Kind
    anchor: Meaning

    def __call__(self, scene: Scene) -> frozenset[int]:
        return _related(scene, self.of, self.anchor, self._holds)

    def _holds(self, item: SceneObject, anchor: SceneObject) -> bool | None:
        return with_margin(gap(item, anchor), yes_below=0.06, no_above=0.2)


@dataclass(frozen=True)
class Layered:
    """Those of `of` that the anchor partly hides (behind), or that partly hide the anchor (front)."""

    of: Kind
    front: bool
    anchor: Meaning

    def __call__(self, scene: Scene) -> frozenset[int]:
        def holds(item: SceneObject, anchor: SceneObject) -> bool | None:
            lower, upper = (anchor, item) if self.front else (item, anchor)
            hidden = scene.hidden_by(lower.id, upper.id)
            return with_margin(-hidden, -MIN_OVERLAP, -MIN_OVERLAP / 5)

        return _related(scene, self.of, self.anchor, holds)


@dataclass(frozen=True)
class Between:
    """Those of `of` between two anchors: near the line that joins them, away from both ends."""

    of: Kind
    first: Meaning
    second: Meaning

    def __call__(self, scene: Scene) -> frozenset[int]:
        first, second = _anchor(scene, self.first), _anchor(scene, self.second)
        if first is None or second is None:
            return frozenset()
        if first.id == second.id:
            raise Ambiguous
        return _clear(scene, self.of, lambda item: between(item, first, second), without={first.id, second.id})


@dataclass(frozen=True)
class Same:
    """Those of `of` that share the colour or the shape of the anchor."""

    of: Kind
    attribute: str
    anchor: Meaning

    def __call__(self, scene: Scene) -> frozenset[int]:
        return _related(scene, self.of, self.anchor, self._holds)

    def _holds(self, item: SceneObject, anchor: SceneObject) -> bool:
        return getattr(item, self.attribute) == getattr(anchor, self.attribute)


@dataclass(frozen=True)
class Than:
    """Those of `of` that are clearly bigger (big) or smaller (small) than the anchor."""

    of: Kind
    size: str
    anchor: Meaning

    def __call__(self, scene: Scene) -> frozenset[int]:
        return _related(scene, self.of, self.anchor, self._holds)

    def _holds(self, item: SceneObject, anchor: SceneObject) -> bool | None:
        answer = bigger(item, anchor)
        return answer if answer is None or self.size == "big" else not answer


@dataclass(frozen=True)
class Nearest:
    """Of two or more of `of`, the one closest to the anchor, or the one furthest from it."""

    of: Kind
    anchor: Meaning
    furthest: bool = False

    def __call__(self, scene: Scene) -> frozenset[int]:
        anchor = _anchor(scene, self.anchor)
        if anchor is None:
            return frozenset()
        sign = -1 if self.furthest else 1
        items = [scene.by_id[i] for i in self.of(scene) if i != anchor.id]
        ranked = sorted((sign * math.hypot(o.x - anchor.x, o.y - anchor.y), o.id) for o in items)
        if len(ranked) == 1 or (ranked and ranked[1][0] - ranked[0][0] < DISTANCE_GAP):
            raise Ambiguous
        return frozenset(i for _, i in ranked[:1])


@dataclass(frozen=True)
class Extreme:
    """Of two or more of `of`, the one (or the `count`) furthest towards `key`: a side of the image, big or small."""

    of: Kind
    key: str
    count: int = 1

    def __call__(self, scene: Scene) -> frozenset[int]:
        ranked = in_order([scene.by_id[i] for i in self.of(scene)], self.key)
        chosen, rest = ranked[: self.count], ranked[self.count :]
        if ranked and not (rest and all(precedes(a, b, self.key) for a in chosen for b in rest)):
            raise Ambiguous
        return frozenset(o.id for o in chosen)


@dataclass(frozen=True)
class OfTwo:
    """The bigger (big) or the smaller (small) of exactly two."""

    of: Kind
    size: str

    def __call__(self, scene: Scene) -> frozenset[int]:
        if len(self.of(scene)) != 2:
            raise Ambiguous
        return Extreme(self.of, self.size)(scene)


@dataclass(frozen=True)
class Ordinal:
    """The object in place `rank` (1 = first) of `of`, counted from `key`: a side of the image, big or small.

    Empty where `of` is too few.
    """

    of: Kind
    key: str
    rank: int

    def __call__(self, scene: Scene) -> frozenset[int]:
        ranked = in_order([scene.by_id[i] for i in self.of(scene)], self.key)
        # A person counts along the row up to the answer; the order of what lies behind it may stay undecided.
        counted = [(a, b) for i, a in enumerate(ranked[: self.rank]) for b in ranked[i + 1 :]]
        if len(ranked) == 1 or not all(precedes(a, b, self.key) for a, b in counted):
            raise Ambiguous
        return frozenset(o.id for o in ranked[self.rank - 1 : self.rank])


@dataclass(frozen=True)
class All:
    """Every one of them: what a plural says. Fewer than two are not a plural."""

    of: Meaning

    def __call__(self, scene: Scene) -> frozenset[int]:
        return self.of(scene)


@dataclass(frozen=True)
class Count:
    """Exactly so many: "the two red shapes". Of more than that, nobody could say which two."""

    of: Meaning
    count: int

    def __call__(self, scene: Scene) -> frozenset[int]:
        ids = self.of(scene)
        if len(ids) != self.count:
            raise Ambiguous
        return ids


@dataclass(frozen=True)
class Union:
    """Two different targets, each single: "the star and the red circle"."""

    first: Meaning
    second: Meaning

    def __call__(self, scene: Scene) -> frozenset[int]:
        first, second = self.first(scene), self.second(scene)
        if len(first) != 1 or len(second) != 1 or first == second:
            raise Ambiguous
        return first | second


@dataclass(frozen=True)
class Except:
    """All of `of` but one: "everything except the star"."""

    of: Kind
    minus: Meaning

    def __call__(self, scene: Scene) -> frozenset[int]:
        whole, minus = self.of(scene), self.minus(scene)
        if len(minus) != 1 or not minus < whole:
            raise Ambiguous
        return whole - minus


Meaning = (
    Kind
    | Unlike
    | Located
    | Beside
    | Near
    | Layered
    | Between
    | Same
    | Than
    | Nearest
    | Extreme
    | OfTwo
    | Ordinal
    | All
    | Count
    | Union
    | Except
)


def kinds_in(meaning: Meaning) -> Iterator[Kind]:
    """Every `Kind` that a meaning is made of."""
    if isinstance(meaning, Kind):
        yield meaning
        return
    for part in fields(meaning):
        value = getattr(meaning, part.name)
        if isinstance(value, Meaning):
            yield from kinds_in(value)


def _clear(
    scene: Scene,
    of: Kind,
    holds: Callable[[SceneObject], bool | None],
    without: set[int] | frozenset[int] = frozenset(),
) -> frozenset[int]:
    """Those of `of` for which `holds` is True; one None and the whole is disputable."""
    answers = {i: holds(scene.by_id[i]) for i in of(scene) if i not in without}
    if None in answers.values():
        raise Ambiguous
    return frozenset(i for i, answer in answers.items() if answer)


def _anchor(scene: Scene, meaning: Meaning) -> SceneObject | None:
    """The one object an anchor names, None where there is none."""
    ids = meaning(scene)
    if len(ids) > 1:
        raise Ambiguous
    return scene.by_id[next(iter(ids))] if ids else None


def _related(
    scene: Scene, of: Kind, anchor: Meaning, holds: Callable[[SceneObject, SceneObject], bool | None]
) -> frozenset[int]:
    """Those of `of` that stand in a relation to the anchor; nothing is related to itself, nor to what is not there."""
    other = _anchor(scene, anchor)
    if other is None:
        return frozenset()
    return _clear(scene, of, lambda item: holds(item, other), without={other.id})
