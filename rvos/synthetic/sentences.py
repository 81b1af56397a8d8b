"""More sentences about a film than it came with: about one object each, about several, about nothing.

All of them are stable: on every frame they mean those of the same objects that are visible, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from random import Random

from image_core.synthetic.expressions import names_held_out_pair, propose
from image_core.synthetic.meanings import SIDES, All, Extreme, Kind, Located, Meaning, OfTwo
from image_core.synthetic.scene import SceneObject
from image_core.synthetic.speech import say
from rvos.synthetic.expressions import answer, stays
from rvos.synthetic.film import Film

_PROPOSALS = 40
"""Meanings of several objects or of none that are tried beside the systematic ones."""
_WORDINGS = 12
"""Times that the meanings found are put into words, for each sentence wanted."""


def about_one(film: Film, count: int, rng: Random) -> dict[int, tuple[str, ...]]:
    """Object id, ascending -> `count` different sentences that mean it alone; objects without so many are left out."""
    said = {}
    for object_id in sorted(i for i in film.position if film.visible_of(i).any()):
        item = film.actors[film.position[object_id]].item
        meant = frozenset({object_id})
        found = [m for m in _single_meanings(item) if not names_held_out_pair(m) and stays(m, film, meant)]
        sentences = _worded(found, count, rng)
        if len(sentences) == count:
            said[object_id] = sentences
    return said


def about_several(film: Film, count: int, rng: Random) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """At most `count` different sentences that mean two objects or more, with the ids they mean, ascending."""
    found: dict[str, tuple[int, ...]] = {}
    for meaning in _plural_meanings(film, rng):
        if len(found) == count:
            break
        meant = frozenset().union(*(answer(meaning, scene) or () for scene in film.visible_scenes))
        if len(meant) > 1 and not names_held_out_pair(meaning) and stays(meaning, film, meant):
            found.setdefault(say(meaning, rng), tuple(sorted(meant)))
    return tuple(found.items())


def about_nothing(film: Film, count: int, rng: Random) -> tuple[str, ...]:
    """At most `count` different sentences that mean nothing on any frame, nor come near to it."""
    found: dict[str, None] = {}
    for meaning in _proposed(film, rng, "absent"):
        if len(found) == count:
            break
        if not names_held_out_pair(meaning) and stays(meaning, film, frozenset()):
            found.setdefault(say(meaning, rng))
    return tuple(found)


def _single_meanings(item: SceneObject) -> Iterator[Meaning]:
    """What might mean this object alone: its looks, its place, its size."""
    for words in product((item.shape, None), (item.colour, None), (item.fill, None)):
        kind = Kind(*words)
        if kind != Kind():
            yield kind
        for vertical, horizontal in product((None, "top", "bottom"), (None, "left", "right")):
            yield Located(kind, vertical, horizontal)
        for size in ("big", "small"):
            yield OfTwo(kind, size)
        for key in (*SIDES, "big", "small"):
            yield Extreme(kind, key)


def _plural_meanings(film: Film, rng: Random) -> Iterator[Meaning]:
    """All of each kind that fits some object, in any order; then what the generator of pictures proposes."""
    items = [actor.item for actor in film.actors]
    words = {w for i in items for w in product((i.shape, None), (i.colour, None), (i.fill, None)) if any(w)}
    kinds = sorted((Kind(*w) for w in words), key=repr)
    yield from (All(kind) for kind in rng.sample(kinds, len(kinds)))
    yield from _proposed(film, rng, "several")


def _proposed(film: Film, rng: Random, family: str) -> Iterator[Meaning]:
    scenes = [scene for scene in film.visible_scenes if len(scene.objects) > 1]
    for _ in range(_PROPOSALS if scenes else 0):
        scene = rng.choice(scenes)
        yield propose(scene, rng, family, rng.choice(scene.objects))


def _worded(meanings: Iterable[Meaning], count: int, rng: Random) -> tuple[str, ...]:
    """At most `count` different sentences, one meaning after the other in any order, then the same in other words."""
    pool = list(meanings)
    rng.shuffle(pool)
    found: dict[str, None] = {}
    for turn in range(count * _WORDINGS if pool else 0):
        if len(found) == count:
            break
        found.setdefault(say(pool[turn % len(pool)], rng))
    return tuple(found)
