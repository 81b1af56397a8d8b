"""What a person can judge by eye: predicates of objects that answer yes, no, or None where opinions would differ.

Lengths are in units of the image's short side.
"""

from __future__ import annotations

import math

from image_core.synthetic.scene import SceneObject

POSITION_GAP = 0.08
"""Two objects closer than this along an axis have no undisputed order there."""
SIZE_RATIO = 1.22
"""Of two objects the bigger one must be that much longer, and its area at least that much larger."""
DISTANCE_GAP = 0.12
"""Distances to an anchor that differ by less cannot be ranked by eye."""


def with_margin(value: float, yes_below: float, no_above: float) -> bool | None:
    """True, False, or None in the margin between the two."""
    if value <= yes_below:
        return True
    return False if value >= no_above else None


def all_true(answers: list[bool | None]) -> bool | None:
    """Whether all of it is clearly so; None where nothing is clearly not so and something is in its margin."""
    if False in answers:
        return False
    return None if None in answers else True


def towards(side: str, dx: float, dy: float) -> tuple[float, float]:
    """(distance towards a side, offset across it)."""
    sign = 1 if side in ("right", "bottom") else -1
    return (sign * dx, dy) if side in ("left", "right") else (sign * dy, dx)


def gap(a: SceneObject, b: SceneObject) -> float:
    """Distance between the rims of two objects taken for discs; negative where they overlap."""
    return math.hypot(a.x - b.x, a.y - b.y) - (a.size + b.size) / 2


def bigger(a: SceneObject, b: SceneObject) -> bool | None:
    """Whether a is clearly bigger than b, by length and by area; None where the two measures do not both say so."""
    if a.size >= SIZE_RATIO * b.size and a.hull_area >= SIZE_RATIO * b.hull_area:
        return True
    return False if b.size >= SIZE_RATIO * a.size and b.hull_area >= SIZE_RATIO * a.hull_area else None


def in_order(items: list[SceneObject], key: str) -> list[SceneObject]:
    """From the first by `key` on: a side (its nearest first), `big` or `small`."""
    if key in ("big", "small"):
        return sorted(items, key=lambda o: o.size * math.sqrt(o.hull_area), reverse=key == "big")
    return sorted(items, key=lambda o: -towards(key, o.x, o.y)[0])


def precedes(a: SceneObject, b: SceneObject, key: str) -> bool:
    """Whether a clearly comes before b in the order of `key`."""
    if key in ("big", "small"):
        return bigger(a, b) is (key == "big")
    return towards(key, a.x - b.x, a.y - b.y)[0] >= POSITION_GAP


def beside(item: SceneObject, anchor: SceneObject, side: str) -> bool | None:
    """Whether the item lies to that side of the anchor (left, right, top, bottom): apart, and within 42 degrees."""
    along, across = towards(side, item.x - anchor.x, item.y - anchor.y)
    if side in ("top", "bottom") and gap(item, anchor) < -0.04:
        # "Over" and "under" may then speak of what covers what.
        return None
    if along >= 0.12 and abs(across) <= 0.9 * along:
        return True
    return False if along <= 0.02 or abs(across) > 3.5 * along else None


def between(item: SceneObject, first: SceneObject, second: SceneObject) -> bool | None:
    """Whether the item lies near the line that joins two others, away from both ends."""
    dx, dy = second.x - first.x, second.y - first.y
    px, py = item.x - first.x, item.y - first.y
    length = math.hypot(dx, dy)
    along, off = (px * dx + py * dy) / length**2, abs(px * dy - py * dx) / length
    if 0.25 <= along <= 0.75 and off <= 0.2 * length:
        return True
    return False if not 0 < along < 1 or off > 0.5 * length else None
