"""Absence: expressions of other images that have no target here.

The words alone must not show that there is no target, or a network learns to predict absence without looking. So an
absent expression is taken from another image, where it is true; it then has the same form as expressions with a
target. Where it has a target here too, one word of it is changed until it has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

from image_core.synthetic.meanings import (
    OPPOSITES,
    Ambiguous,
    Between,
    Count,
    Except,
    Extreme,
    Kind,
    Meaning,
    OfTwo,
    Ordinal,
    Union,
    kinds_in,
)
from image_core.synthetic.sampling import is_nameable
from image_core.synthetic.scene import Scene

_LOOKALIKES = {
    "circle": ("ellipse", "ring"),
    "ellipse": ("circle",),
    "rectangle": ("square",),
    "crescent": ("semicircle",),
}
"""Shape named -> shapes that some people would call so."""


def has_no_target(meaning: Meaning, scene: Scene) -> bool:
    """Whether the scene clearly has no target, and no look-alike of one."""
    try:
        return not targets_in_other_scene(meaning, scene) and not has_lookalike(scene, meaning)
    except Ambiguous:
        return False


def targets_in_other_scene(meaning: Meaning, scene: Scene) -> frozenset[int]:
    """The ids of the targets of a meaning in a scene that it was not made for. Raises `Ambiguous`.

    In its own scene, "the two stars" implies two stars, and any other number is ambiguous. In another scene without a
    star it has no target; with one star it is still ambiguous.
    """
    match meaning:
        case Count(of) | OfTwo(of) | Except(of) if not of(scene):
            return frozenset()
        case Union(first, second) | Between(_, first, second) if first == second:
            raise Ambiguous
        case Union(first, second) if not first(scene) and not second(scene):
            return frozenset()
        case _:
            return meaning(scene)


def always_has_target(meaning: Meaning) -> bool:
    """Whether every scene has a target or is ambiguous: "the leftmost thing"."""
    match meaning:
        case Extreme(of) | Except(of):
            return of == Kind()
        case Ordinal(of, _, rank):
            return of == Kind() and rank <= 2  # no scene has fewer objects
        case _:
            return False


def has_lookalike(scene: Scene, meaning: Meaning) -> bool:
    """Whether an object of the scene might be taken for the missing target: an ellipse for a circle."""
    for kind in kinds_in(meaning):
        for shape in _LOOKALIKES.get(kind.shape or "", ()):
            if replace(kind, shape=shape)(scene):
                return True
    return False


def one_word_variants(meaning: Meaning, scene: Scene) -> Iterator[Meaning]:
    """The meaning with one of its words exchanged: an attribute for another one of the scene, a side or a size for its
    opposite, front for behind. The form stays: as many attributes are named as before."""
    for part in fields(meaning):
        value = getattr(meaning, part.name)
        if isinstance(value, Meaning):
            changed: Iterator[object] = one_word_variants(value, scene)
        elif isinstance(value, bool):
            changed = iter((not value,))
        elif isinstance(value, str) and isinstance(meaning, Kind):
            changed = iter(sorted({getattr(o, part.name) for o in scene.objects} - {value}))
        else:
            changed = iter((OPPOSITES[value],) if value in OPPOSITES else ())
        for other in changed:
            variant = replace(meaning, **{part.name: other})
            if not isinstance(variant, Kind) or is_nameable(variant.colour, variant.fill):
                yield variant
