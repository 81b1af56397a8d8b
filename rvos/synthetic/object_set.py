"""Samples the objects of an animation: the target, a look-alike that differs in at most one word, and others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from image_core.synthetic.colours import COLOURS
from image_core.synthetic.sampling import fitting_fill, sample_object
from image_core.synthetic.scene import FILLS, SceneObject
from image_core.synthetic.shapes import SHAPES, Wave
from image_core.synthetic.splits import HELD_OUT_PAIRS
from rvos.synthetic.severity import Severity

ATTRIBUTES = ("colour", "fill", "shape")
_SIZE_FACTOR = 1.4
_LARGEST = 0.34
_PLACED_APART = 0.26

Appearance = tuple[str, str, str]
"""Shape, colour, fill."""


@dataclass(frozen=True)
class ObjectSet:
    """The objects of an animation; their ids count from 1: the target, the look-alike, the others."""

    target: SceneObject
    lookalike: SceneObject
    #: The word by which the look-alike differs: one of `ATTRIBUTES`, `size`, or `place` for an identical twin.
    differs: str
    others: tuple[SceneObject, ...]


def sample_object_set(rng: Random, severity: Severity, differs: str, others: tuple[int, int], fast: bool) -> ObjectSet:
    """A set in which no object has a held-out pair of shape and colour, and only the look-alike may equal the
    target."""
    shapes, colours = rng.sample(SHAPES, rng.randint(2, 4)), rng.sample(COLOURS, rng.randint(2, 4))
    fills = rng.choices(FILLS, (4, 2, 2, 2, 2), k=3)
    kind = _draw_kind(rng, shapes, colours, fills)
    target = _sampled_object(rng, 1, kind, severity)
    size = rng.uniform(severity.target_size[0], severity.fast_size) if fast else rng.uniform(*severity.target_size)
    if differs == "place":
        size = min(size, _PLACED_APART)
    target = replace(target, size=size)
    if differs in ATTRIBUTES:
        lookalike = _sampled_object(rng, 2, _near_kind(rng, kind, differs), severity)
        lookalike = replace(lookalike, size=target.size * rng.uniform(0.9, 1.1))
    else:
        lookalike = replace(target, id=2, pattern_phase=rng.random())
        if differs == "size":
            # The bigger or the smaller one, both within the sizes of the pictures.
            factor = _SIZE_FACTOR if target.size < 0.25 else 1 / _SIZE_FACTOR
            lookalike = replace(lookalike, size=target.size * factor)
    taken = {_kind_of(target), _kind_of(lookalike)}
    extras: list[SceneObject] = []
    for id in range(3, 3 + rng.randint(*others)):
        extra = _draw_kind(rng, shapes, colours, fills)
        while extra in taken:
            extra = _draw_kind(rng, SHAPES, colours, fills)
        extras.append(_sampled_object(rng, id, extra, severity))
    return ObjectSet(target, lookalike, differs, tuple(extras))


def sample_occluder(rng: Random, id: int, target: SceneObject, radius: float) -> SceneObject:
    """A plain or patterned convex object that hides a disc of that radius; its colour is not the target's."""
    shape = rng.choice(tuple(INRADIUS))
    colours = [c for c in COLOURS if c != target.colour and (shape, c) not in HELD_OUT_PAIRS]
    colour = rng.choice(colours)
    item = sample_object(rng, id, (shape, colour, fitting_fill(rng, colour, FILLS)), _LARGEST)
    rotation = 0.0 if shape == "rectangle" else item.rotation
    return replace(item, size=radius / INRADIUS[shape], rotation=rotation)


INRADIUS = {"circle": 0.5, "square": 0.5, "hexagon": 0.43, "rectangle": 0.25}
"""Shape -> radius of the disc that it hides, in units of its size."""


def _sampled_object(rng: Random, id: int, kind: Appearance, severity: Severity) -> SceneObject:
    item = sample_object(rng, id, kind, _LARGEST)
    if rng.random() >= severity.bend_share:
        return item
    amplitude, angle = rng.uniform(*severity.bend_amplitude), rng.uniform(0, math.pi)
    return replace(item, wave=Wave(amplitude, rng.uniform(0.6, 1.1), angle, rng.uniform(0, 2 * math.pi)))


def _kind_of(item: SceneObject) -> Appearance:
    return item.shape, item.colour, item.fill


def _draw_kind(rng: Random, shapes: Sequence[str], colours: Sequence[str], fills: Sequence[str]) -> Appearance:
    while True:
        shape, colour = rng.choice(shapes), rng.choice(colours)
        if (shape, colour) not in HELD_OUT_PAIRS:
            return shape, colour, fitting_fill(rng, colour, fills)
        shapes = SHAPES


def _near_kind(rng: Random, kind: Appearance, differs: str) -> Appearance:
    """The kind with one attribute changed."""
    shape, colour, fill = kind
    while True:
        if differs == "shape":
            shape = rng.choice(SHAPES)
        elif differs == "colour":
            colour = rng.choice(COLOURS)
        else:
            fill = rng.choice(FILLS)
        fits = fitting_fill(rng, colour, (fill,)) == fill and (shape, colour) not in HELD_OUT_PAIRS
        if fits and (shape, colour, fill) != kind:
            return shape, colour, fill
