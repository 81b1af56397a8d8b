"""More expressions of an animation than it came with: of one object each, of several, of nothing.

All of them are stable: on every frame they mean those of the same objects that are visible, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from random import Random

from image_core.synthetic.expressions import names_held_out_pair
from image_core.synthetic.meanings import SIDES, All, Extreme, Kind, Located, Meaning, OfTwo
from image_core.synthetic.realisation import realise
from image_core.synthetic.recipes import sample_meaning
from image_core.synthetic.scene import SceneObject
from rvos.synthetic.animation import Animation
from rvos.synthetic.expressions import is_stable, members

_PROPOSALS = 40
"""Meanings of several objects or of none that are tried beside the systematic ones."""
_WORDINGS = 12
"""Times that the meanings are put into words, for each expression that is asked for."""


def about_one(animation: Animation, count: int, rng: Random) -> dict[int, tuple[str, ...]]:
    """Object id, ascending -> `count` different texts that mean it alone; objects without so many are left out."""
    by_object = {}
    for object_id in sorted(i for i in animation.position if animation.visible_of(i).any()):
        item = animation.objects[animation.position[object_id]].item
        meant = frozenset({object_id})
        meanings = [m for m in _single_meanings(item) if not names_held_out_pair(m) and is_stable(m, animation, meant)]
        texts = _worded(meanings, count, rng)
        if len(texts) == count:
            by_object[object_id] = texts
    return by_object


def about_several(animation: Animation, count: int, rng: Random) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """At most `count` different texts that mean two objects or more, with the ids they mean, ascending."""
    ids_of: dict[str, tuple[int, ...]] = {}
    for meaning in _plural_meanings(animation, rng):
        if len(ids_of) == count:
            break
        meant = members(meaning, animation)
        if len(meant) > 1 and not names_held_out_pair(meaning) and is_stable(meaning, animation, meant):
            ids_of.setdefault(realise(meaning, rng), tuple(sorted(meant)))
    return tuple(ids_of.items())


def about_nothing(animation: Animation, count: int, rng: Random) -> tuple[str, ...]:
    """At most `count` different texts that mean nothing on any frame, nor come near to it."""
    texts: dict[str, None] = {}
    for meaning in _proposed(animation, rng, "absent"):
        if len(texts) == count:
            break
        if not names_held_out_pair(meaning) and is_stable(meaning, animation, frozenset()):
            texts.setdefault(realise(meaning, rng))
    return tuple(texts)


def _single_meanings(item: SceneObject) -> Iterator[Meaning]:
    """What might mean this object alone: its appearance, its place, its size."""
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


def _plural_meanings(animation: Animation, rng: Random) -> Iterator[Meaning]:
    """All of each kind that fits some object, in any order; then what the generator of pictures proposes."""
    items = [moving.item for moving in animation.objects]
    words = {w for i in items for w in product((i.shape, None), (i.colour, None), (i.fill, None)) if any(w)}
    kinds = sorted((Kind(*w) for w in words), key=repr)
    yield from (All(kind) for kind in rng.sample(kinds, len(kinds)))
    yield from _proposed(animation, rng, "several")


def _proposed(animation: Animation, rng: Random, family: str) -> Iterator[Meaning]:
    scenes = [scene for scene in animation.visible_scenes if len(scene.objects) > 1]
    if not scenes:
        return
    for _ in range(_PROPOSALS):
        scene = rng.choice(scenes)
        yield sample_meaning(scene, rng, family, rng.choice(scene.objects))


def _worded(meanings: Sequence[Meaning], count: int, rng: Random) -> tuple[str, ...]:
    """At most `count` different texts, one meaning after the other in any order, then the same in other words."""
    if not meanings:
        return ()
    pool = list(meanings)
    rng.shuffle(pool)
    texts: dict[str, None] = {}
    for turn in range(count * _WORDINGS):
        if len(texts) == count:
            break
        texts.setdefault(realise(pool[turn % len(pool)], rng))
    return tuple(texts)
