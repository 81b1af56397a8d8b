"""The recipes: draws meanings of a family that might hold of one object. Nobody has run them yet."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from random import Random

from image_core.synthetic.colours import COLOURS
from image_core.synthetic.judgement import beside, between
from image_core.synthetic.meanings import (
    MIN_OVERLAP,
    SIDES,
    All,
    Beside,
    Between,
    Count,
    Except,
    Extreme,
    Kind,
    Layered,
    Located,
    Meaning,
    Near,
    Nearest,
    OfTwo,
    Ordinal,
    Same,
    Than,
    Union,
    Unlike,
)
from image_core.synthetic.phrases import NUMBERS
from image_core.synthetic.scene import FILLS, Scene, SceneObject
from image_core.synthetic.shapes import SHAPES

SINGLE_FAMILIES = ("attribute", "location", "relation", "comparison", "ordinal")
FAMILIES = (*SINGLE_FAMILIES, "several", "absent")
"""Five families with exactly one target, one with two or more, one with none."""

Recipe = Callable[[Scene, Random, SceneObject], Meaning]
"""Draws a meaning that might hold of the object given."""


def sample_meaning(scene: Scene, rng: Random, family: str, item: SceneObject) -> Meaning:
    """A meaning of a family that might hold of the object in this scene: nobody has run it yet."""
    return pick_recipe(rng, family)(scene, rng, item)


def pick_recipe(rng: Random, family: str) -> Recipe:
    """One of the recipes of a family, the frequent ones more often."""
    if family == "absent":
        # Two in five lack the very object; the others are expressions of another family that here are about nothing.
        if rng.random() < 0.4:
            return _crossed_kind
        family = rng.choice(SINGLE_FAMILIES[1:])
    recipes = _RECIPES[family]
    return rng.choices([r for r, _ in recipes], [w for _, w in recipes])[0]


def _some_kind(scene: Scene, rng: Random, item: SceneObject, bare: float = 0.15) -> Kind:
    """A description that fits the object, by a random choice of its attributes; by none with probability `bare`."""
    if rng.random() < bare:
        return Kind()
    draw = rng.random()
    shape = item.shape if draw < 0.75 else None
    colour = item.colour if draw > 0.4 else None
    fill = item.fill if rng.random() < 0.25 else None
    return Kind(shape, colour, fill)


def _other(scene: Scene, rng: Random, target: SceneObject) -> SceneObject:
    return rng.choice([o for o in scene.objects if o.id != target.id])


def _unique_kind(scene: Scene, rng: Random, item: SceneObject) -> Kind:
    """A description of the object that, mostly, fits no other."""
    kind = _some_kind(scene, rng, item, bare=0.0)
    for _ in range(4):
        if len(kind(scene)) == 1:
            break
        kind = _some_kind(scene, rng, item, bare=0.0)
    return kind


def _anchor(scene: Scene, rng: Random, item: SceneObject) -> Meaning:
    """A description of an object that others are placed by; now and then a superlative, or of something not there."""
    draw = rng.random()
    if draw < 0.15:
        return Extreme(_shared_kind(scene, rng, item), rng.choice((*SIDES, "big", "small")))
    if draw < 0.19:
        return Kind(item.shape, rng.choice(COLOURS))
    return _unique_kind(scene, rng, item)


def _shared_kind(scene: Scene, rng: Random, target: SceneObject) -> Kind:
    """A description of the target that, mostly, fits another object too, so that it does not suffice."""
    kind = _some_kind(scene, rng, target)
    for _ in range(5):
        if len(kind(scene)) > 1 or rng.random() < 0.1:
            break
        kind = _some_kind(scene, rng, target, bare=0.25)
    return kind


def _size(rng: Random) -> str:
    return rng.choice(("big", "small"))


def _plain_kind(scene: Scene, rng: Random, target: SceneObject) -> Kind:
    return _some_kind(scene, rng, target, bare=0.0)


def _unlike(scene: Scene, rng: Random, target: SceneObject) -> Unlike:
    of = Kind(shape=target.shape) if rng.random() < 0.6 else Kind(colour=target.colour)
    other = _other(scene, rng, target)
    traits = [Kind(fill=other.fill), Kind(colour=other.colour) if of.colour is None else Kind(shape=other.shape)]
    return Unlike(of, rng.choice(traits))


def _on_side(scene: Scene, rng: Random, target: SceneObject) -> Located:
    of, side = _shared_kind(scene, rng, target), rng.choice(SIDES)
    return Located(of, horizontal=side) if side in ("left", "right") else Located(of, vertical=side)


def _in_corner(scene: Scene, rng: Random, target: SceneObject) -> Located:
    return Located(_shared_kind(scene, rng, target), rng.choice(("top", "bottom")), rng.choice(("left", "right")))


def _in_middle(scene: Scene, rng: Random, target: SceneObject) -> Located:
    return Located(_shared_kind(scene, rng, target))


def _beside(scene: Scene, rng: Random, target: SceneObject) -> Beside:
    other = _other(scene, rng, target)
    true_sides = [side for side in SIDES if beside(target, other, side)]
    side = rng.choice(true_sides if true_sides and rng.random() < 0.8 else SIDES)
    return Beside(_shared_kind(scene, rng, target), side, _anchor(scene, rng, other))


def _near(scene: Scene, rng: Random, target: SceneObject) -> Near:
    return Near(_shared_kind(scene, rng, target), _anchor(scene, rng, _other(scene, rng, target)))


def _layered(scene: Scene, rng: Random, target: SceneObject) -> Layered:
    front = rng.random() < 0.5
    others = [o for o in scene.objects if o.id != target.id]
    touching = [
        o for o in others if scene.hidden_by(*((o.id, target.id) if front else (target.id, o.id))) >= MIN_OVERLAP
    ]
    other = rng.choice(touching if touching and rng.random() < 0.8 else others)
    return Layered(_shared_kind(scene, rng, target), front, _anchor(scene, rng, other))


def _between(scene: Scene, rng: Random, target: SceneObject) -> Between:
    others = [o for o in scene.objects if o.id != target.id]
    pairs = [(a, b) for a, b in combinations(others, 2) if between(target, a, b)]
    first, second = rng.choice(pairs) if pairs and rng.random() < 0.8 else rng.choices(others, k=2)
    of = _shared_kind(scene, rng, target)
    return Between(of, _unique_kind(scene, rng, first), _unique_kind(scene, rng, second))


def _same(scene: Scene, rng: Random, target: SceneObject) -> Same:
    if rng.random() < 0.5:
        return Same(
            Kind(shape=target.shape if rng.random() < 0.5 else None),
            "colour",
            _anchor(scene, rng, _other(scene, rng, target)),
        )
    return Same(
        Kind(colour=target.colour if rng.random() < 0.5 else None),
        "shape",
        _anchor(scene, rng, _other(scene, rng, target)),
    )


def _biggest(scene: Scene, rng: Random, target: SceneObject) -> Extreme:
    return Extreme(_shared_kind(scene, rng, target), _size(rng))


def _bigger(scene: Scene, rng: Random, target: SceneObject) -> OfTwo:
    return OfTwo(_shared_kind(scene, rng, target), _size(rng))


def _sidemost(scene: Scene, rng: Random, target: SceneObject) -> Extreme:
    return Extreme(_shared_kind(scene, rng, target), rng.choice(SIDES))


def _than(scene: Scene, rng: Random, target: SceneObject) -> Than:
    return Than(_shared_kind(scene, rng, target), _size(rng), _anchor(scene, rng, _other(scene, rng, target)))


def _nearest(scene: Scene, rng: Random, target: SceneObject) -> Nearest:
    return Nearest(
        _shared_kind(scene, rng, target), _anchor(scene, rng, _other(scene, rng, target)), rng.random() < 0.35
    )


def _nth(scene: Scene, rng: Random, target: SceneObject) -> Ordinal:
    return Ordinal(_shared_kind(scene, rng, target), rng.choice(SIDES), rng.choice((1, 2, 2, 3, 3, 4)))


def _nth_biggest(scene: Scene, rng: Random, target: SceneObject) -> Ordinal:
    return Ordinal(_shared_kind(scene, rng, target), _size(rng), rng.choice((2, 2, 3)))


def _quantified(rng: Random, body: Meaning) -> Meaning:
    return All(body) if rng.random() < 0.4 else Count(body, rng.choice(list(NUMBERS)))


def _plural_kind(scene: Scene, rng: Random, target: SceneObject) -> Meaning:
    return _quantified(rng, _some_kind(scene, rng, target, bare=0.04))


def _plural(single: Recipe) -> Recipe:
    def recipe(scene: Scene, rng: Random, target: SceneObject) -> Meaning:
        return _quantified(rng, single(scene, rng, target))

    return recipe


def _several_extreme(scene: Scene, rng: Random, target: SceneObject) -> Extreme:
    return Extreme(_some_kind(scene, rng, target), rng.choice((*SIDES, "big", "small")), 2)


def _union(scene: Scene, rng: Random, target: SceneObject) -> Union:
    return Union(_part(scene, rng, target), _part(scene, rng, _other(scene, rng, target)))


def _part(scene: Scene, rng: Random, item: SceneObject) -> Meaning:
    kind = _unique_kind(scene, rng, item)
    return Located(kind, horizontal=rng.choice(("left", "right"))) if rng.random() < 0.25 else kind


def _except(scene: Scene, rng: Random, target: SceneObject) -> Except:
    of = Kind() if rng.random() < 0.5 else _some_kind(scene, rng, target, bare=0.0)
    return Except(of, _unique_kind(scene, rng, target))


def _crossed_kind(scene: Scene, rng: Random, target: SceneObject) -> Meaning:
    """A description whose attributes are, mostly, all in the scene, but not on one object."""
    shape, colour = target.shape, rng.choice([o.colour for o in scene.objects])
    fill = rng.choice([o.fill for o in scene.objects]) if rng.random() < 0.3 else None
    draw = rng.random()
    if draw < 0.12:
        shape = rng.choice(SHAPES)
    elif draw < 0.24:
        colour = rng.choice(COLOURS)
    elif draw < 0.3:
        fill = rng.choice(FILLS)
    kind = Kind(shape, colour, fill)
    return All(kind) if rng.random() < 0.15 else kind


_RECIPES: dict[str, tuple[tuple[Recipe, float], ...]] = {
    "attribute": ((_plain_kind, 7), (_unlike, 1)),
    "location": ((_on_side, 6), (_in_corner, 3), (_in_middle, 1)),
    "relation": ((_beside, 8), (_near, 3), (_layered, 4), (_between, 4), (_same, 3)),
    "comparison": ((_biggest, 3), (_bigger, 2), (_sidemost, 4), (_than, 3), (_nearest, 3)),
    "ordinal": ((_nth, 5), (_nth_biggest, 1)),
    "several": (
        (_plural_kind, 5),
        (_plural(_unlike), 1),
        (_plural(_on_side), 3),
        (_plural(_beside), 1),
        (_plural(_near), 1),
        (_plural(_than), 1),
        (_several_extreme, 2),
        (_union, 4),
        (_except, 3),
    ),
}
