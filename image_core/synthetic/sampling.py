"""Draws scenes: which objects, sharing which attributes, placed where, before which background."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from image_core.synthetic.colours import ACHROMATIC, COLOURS, Tint, sample_accent, sample_tint
from image_core.synthetic.scene import FILLS, Backdrop, Light, Scene, SceneObject
from image_core.synthetic.shapes import OUTLINES, SHAPES, placed
from image_core.synthetic.splits import HELD_OUT_PAIRS

MIN_VISIBLE = 0.55
"""Share of every object that stays visible on the reference grid; at any size at least 0.4 remains."""

BACKDROPS = ("plain", "gradient", "noise", "stripes", "blobs", "tiles")
_FILL_WEIGHTS = {"plain": 4, "striped": 2, "dotted": 2, "checkered": 2, "shaded": 2}
_EDGE = 0.012
_OVERLAP_CONTRAST = 90.0


@dataclass(frozen=True)
class SceneStyle:
    """How many objects a scene has, and how large they are. In scenes of many objects the largest are smaller."""

    counts: Mapping[int, int]  # number of objects, 2 or more -> how often
    smallest: float  # side, in units of the short side
    largest: float  # side, in units of the short side


DEFAULT_STYLE = SceneStyle({2: 1, 3: 2, 4: 3, 5: 3, 6: 3, 7: 2, 8: 2, 9: 1}, 0.16, 0.44)
FEW_LARGE = SceneStyle({2: 1, 3: 2, 4: 2}, 0.28, 0.5)
"""For models whose cells are 16 pixels on images of 128: an object is 2 to 4 of them wide, and not 1 to 3."""


def sample_scene(
    rng: Random, width: float = 1.0, height: float = 1.0, held_out: bool = False, style: SceneStyle = DEFAULT_STYLE
) -> Scene:
    """A scene of at least two objects on a ground of `width` x `height`, in units of the short side.

    Without `held_out` no object has a held-out pair of shape and colour; with it, one or two objects have one.
    """
    while True:
        objects = _place(rng, _sample_kinds(rng, held_out, style), width, height, style)
        scene = Scene(tuple(objects), width, height, sample_light(rng), sample_backdrop(rng, objects))
        scene = _without_hidden(scene)
        if len(scene.objects) >= 2 and (
            not held_out or any((o.shape, o.colour) in HELD_OUT_PAIRS for o in scene.objects)
        ):
            return scene


def _sample_kinds(rng: Random, held_out: bool, style: SceneStyle) -> list[tuple[str, str, str]]:
    """(shape, colour, fill) of each object, drawn from small pools, so that most share an attribute with another."""
    count = rng.choices(list(style.counts), list(style.counts.values()))[0]
    shapes = rng.sample(SHAPES, rng.randint(2, max(2, min(5, count))))
    colours = rng.sample(COLOURS, rng.randint(2, max(2, min(5, count))))
    fills = rng.choices(FILLS, [_FILL_WEIGHTS[f] for f in FILLS], k=3)
    kinds: list[tuple[str, str, str]] = []
    if held_out:
        for shape, colour in rng.sample(sorted(HELD_OUT_PAIRS), rng.randint(1, 2)):
            kinds.append((shape, colour, fitting_fill(rng, colour, fills)))
            shapes.append(shape)
            colours.append(colour)
    while len(kinds) < count:
        if kinds and rng.random() < 0.25:
            shape, colour, fill = rng.choice(kinds)
            fill = fill if rng.random() < 0.5 else fitting_fill(rng, colour, fills)
        else:
            shape, colour = rng.choice(shapes), rng.choice(colours)
            fill = fitting_fill(rng, colour, fills)
        if held_out or (shape, colour) not in HELD_OUT_PAIRS:
            kinds.append((shape, colour, fill))
        else:
            shapes.append(rng.choice(SHAPES))
    rng.shuffle(kinds)
    return kinds


def fitting_fill(rng: Random, colour: str, fills: Sequence[str]) -> str:
    """One of `fills`, or plain where that fill would leave the colour without a name."""
    fill = rng.choice(fills)
    return fill if is_nameable(colour, fill) else "plain"


def is_nameable(colour: str | None, fill: str | None) -> bool:
    """Whether a colour in this fill has an undisputed name: black, white and grey in equal squares of two tones, or
    fading into one another, have none."""
    return not (fill in ("checkered", "shaded") and colour in ACHROMATIC)


def _place(
    rng: Random, kinds: list[tuple[str, str, str]], width: float, height: float, style: SceneStyle
) -> list[SceneObject]:
    """Objects with sizes and places; those for which no room is found are left out."""
    largest = min(style.largest, 1.05 / math.sqrt(len(kinds) + 0.5))
    overlapping = rng.random() < 0.45
    objects: list[SceneObject] = []
    for shape, colour, fill in kinds:
        item = sample_object(rng, len(objects), (shape, colour, fill), largest, style.smallest)
        place = _find_position(rng, item, objects, width, height, overlapping)
        if place is not None:
            objects.append(replace(item, x=place[0], y=place[1]))
    return objects


def sample_object(
    rng: Random, id: int, kind: tuple[str, str, str], largest: float, smallest: float = DEFAULT_STYLE.smallest
) -> SceneObject:
    """An object of a (shape, colour, fill), of `smallest` to `largest` in size, at the origin."""
    shape, colour, fill = kind
    return SceneObject(
        id=id,
        shape=shape,
        colour=colour,
        fill=fill,
        x=0.0,
        y=0.0,
        size=smallest * (largest / smallest) ** rng.random(),
        rotation=rng.uniform(-1, 1) * OUTLINES[shape].freedom,
        tint=sample_tint(rng, colour),
        accent=sample_accent(rng, colour),
        pattern_angle=rng.uniform(-math.pi / 2, math.pi / 2),
        pattern_scale=rng.uniform(4.0, 5.5),
        pattern_phase=rng.random(),
    )


def _find_position(
    rng: Random, item: SceneObject, others: list[SceneObject], width: float, height: float, overlapping: bool
) -> tuple[float, float] | None:
    outline = placed(item.shape, 0.0, 0.0, item.size, item.rotation)[0]
    low, high = outline.min(0) - _EDGE, outline.max(0) + _EDGE
    for _ in range(30):
        x, y = rng.uniform(-low[0], width - high[0]), rng.uniform(-low[1], height - high[1])
        if overlapping and others and rng.random() < 0.5:
            # A neighbour sought on purpose: chance alone makes few occlusions.
            other = rng.choice(others)
            reach, angle = rng.uniform(0.62, 0.95) * (item.size + other.size) / 2, rng.uniform(0, 2 * math.pi)
            x, y = other.x + reach * math.cos(angle), other.y + reach * math.sin(angle)
            if not (-low[0] <= x <= width - high[0] and -low[1] <= y <= height - high[1]):
                continue
        if all(_leaves_visible(item, float(x), float(y), o, overlapping) for o in others):
            return float(x), float(y)
    return None


def _leaves_visible(item: SceneObject, x: float, y: float, other: SceneObject, overlapping: bool) -> bool:
    """Whether the item at (x, y) leaves the other alone; only what differs in colour may overlap, or no edge shows."""
    may_overlap = overlapping and math.dist(item.tint, other.tint) >= _OVERLAP_CONTRAST
    return math.hypot(x - other.x, y - other.y) >= (0.62 if may_overlap else 1.05) * (item.size + other.size) / 2


def _without_hidden(scene: Scene) -> Scene:
    """The scene without the objects that others hide too much of, the worst first."""
    while len(scene.objects) > 1:
        share = scene.visible_share
        worst = int(share.argmin())
        if share[worst] >= MIN_VISIBLE:
            break
        scene = replace(scene, objects=scene.objects[:worst] + scene.objects[worst + 1 :])
    return scene


def sample_light(rng: Random) -> Light:
    """Where shadows fall, if any do."""
    angle, reach = rng.uniform(0, 2 * math.pi), rng.uniform(0.008, 0.028)
    strength = rng.uniform(0.25, 0.6) if rng.random() < 0.7 else 0.0
    return Light((reach * math.cos(angle), reach * math.sin(angle)), rng.uniform(0.004, 0.016), strength)


def sample_backdrop(rng: Random, objects: list[SceneObject]) -> Backdrop:
    """A texture whose palette keeps its distance from every object's tint, as well as the number of tints allows."""
    tints = np.array([o.tint for o in objects])
    best, best_distance = ((128.0, 128.0, 128.0), (140.0, 140.0, 140.0)), -1.0
    for _ in range(12):
        palette = tuple(_sample_ground(rng) for _ in range(rng.randint(2, 3)))
        ends = np.array(palette)
        between = np.concatenate([ends, (ends[1:] + ends[:-1]) / 2])
        distance = float(np.linalg.norm(between[:, None] - tints[None], axis=2).min()) if len(tints) else 255.0
        if distance > best_distance:
            best, best_distance = palette, distance
        if distance >= 85:
            break
    return Backdrop(rng.choice(BACKDROPS), best, rng.getrandbits(32), rng.uniform(0.06, 0.3), rng.uniform(0, math.pi))


def _sample_ground(rng: Random) -> Tint:
    r, g, b = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.85) ** 1.5, rng.uniform(0.15, 1.0))
    return 255 * r, 255 * g, 255 * b
