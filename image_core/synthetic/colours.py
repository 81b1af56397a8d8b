"""Eleven basic colours with jitter that keeps each within its name, and the second tone of patterned fills."""

from __future__ import annotations

import colorsys
from random import Random

Tint = tuple[float, float, float]
"""Red, green, blue in [0, 255]."""

# Hue in degrees, saturation and value in [0, 1]; the gaps between the boxes are what keeps the names apart.
_BOXES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "black": ((0, 360), (0.0, 0.25), (0.02, 0.11)),
    "white": ((0, 360), (0.0, 0.03), (0.95, 1.0)),
    "red": ((-5, 5), (0.85, 1.0), (0.74, 0.95)),
    "green": ((108, 142), (0.65, 1.0), (0.42, 0.75)),
    "yellow": ((52, 59), (0.8, 1.0), (0.94, 1.0)),
    "blue": ((213, 234), (0.75, 1.0), (0.65, 0.98)),
    "brown": ((18, 27), (0.62, 0.82), (0.34, 0.47)),
    "orange": ((25, 33), (0.88, 1.0), (0.95, 1.0)),
    "pink": ((325, 343), (0.3, 0.52), (0.96, 1.0)),
    "purple": ((270, 287), (0.62, 0.9), (0.48, 0.7)),
    "grey": ((0, 360), (0.0, 0.05), (0.44, 0.58)),
}

COLOURS = tuple(_BOXES)
ACHROMATIC = ("black", "white", "grey")

_LIGHT: Tint = (246.0, 246.0, 242.0)
_DARK: Tint = (22.0, 22.0, 26.0)
# A pattern's second tone must not lend the object another name: neutral, and milder on neutral colours.
_ACCENTS: dict[str, tuple[Tint, ...]] = {
    "black": ((150.0, 150.0, 150.0),),
    "white": ((120.0, 120.0, 120.0),),
    "grey": ((235.0, 235.0, 235.0), (50.0, 50.0, 50.0)),
    "red": (_LIGHT, _DARK),
    "green": (_LIGHT, _DARK),
    "blue": (_LIGHT, _DARK),
    "purple": (_LIGHT, _DARK),
    "brown": (_LIGHT,),
    "orange": (_LIGHT, _DARK),
    "pink": (_DARK,),
    "yellow": (_DARK,),
}


def sample_tint(rng: Random, colour: str) -> Tint:
    """A shade that everybody calls `colour`."""
    hue, saturation, value = (rng.uniform(*bounds) for bounds in _BOXES[colour])
    r, g, b = colorsys.hsv_to_rgb((hue % 360) / 360, saturation, value)
    return 255 * r, 255 * g, 255 * b


def sample_accent(rng: Random, colour: str) -> Tint:
    """The second tone of a striped, dotted or checkered object of that colour."""
    return rng.choice(_ACCENTS[colour])
