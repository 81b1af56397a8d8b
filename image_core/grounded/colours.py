"""How much of an object has a colour, measured on the pixels of its mask.

A name stands for ranges of hue, saturation and value that are wide enough for photographs, with shade and sun; they
overlap, as names do. The ranges are proposed, and were fitted to no data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

MAX_PIXELS = 4096
"""Pixels taken evenly from a mask: enough to estimate the share of a colour."""


@dataclass(frozen=True)
class Range:
    """Hues in degrees, from the first to the second and over 360 where that is less; saturation and value in [0, 1]."""

    hue: tuple[float, float] = (0, 360)
    saturation: tuple[float, float] = (0, 1)
    value: tuple[float, float] = (0, 1)

    def holds(self, hsv: np.ndarray) -> np.ndarray:
        """(P, 3) -> (P,) bool."""
        hue, saturation, value = hsv.T
        low, high = self.hue
        in_hue = (hue >= low) & (hue <= high) if low <= high else (hue >= low) | (hue <= high)
        return in_hue & _within(saturation, self.saturation) & _within(value, self.value)


_BLACK = (Range(value=(0, 0.27)), Range(saturation=(0, 0.3), value=(0, 0.38)))
_WHITE = (Range(saturation=(0, 0.2), value=(0.68, 1)),)
_GREY = (Range(saturation=(0, 0.22), value=(0.27, 0.78)),)
_RED = (Range((342, 14), (0.42, 1), (0.22, 1)),)
_ORANGE = (Range((10, 40), (0.5, 1), (0.5, 1)),)
_YELLOW = (Range((40, 68), (0.35, 1), (0.45, 1)),)
_GREEN = (Range((68, 170), (0.2, 1), (0.15, 1)),)
_TEAL = (Range((160, 200), (0.25, 1), (0.15, 1)),)
_BLUE = (Range((180, 258), (0.25, 1), (0.15, 1)),)
_PURPLE = (Range((255, 318), (0.2, 1), (0.15, 1)),)
_PINK = (Range((305, 350), (0.15, 1), (0.45, 1)), Range((350, 15), (0.15, 0.55), (0.65, 1)))
_BROWN = (Range((4, 46), (0.22, 1), (0.12, 0.65)),)
_BEIGE = (Range((15, 60), (0.1, 0.5), (0.45, 1)),)

COLOURS: dict[str, tuple[Range, ...]] = {
    "black": _BLACK,
    "white": _WHITE,
    "gray": _GREY,
    "silver": (*_GREY, *_WHITE),
    "red": _RED,
    "maroon": (Range((338, 16), (0.35, 1), (0.15, 0.6)),),
    "orange": _ORANGE,
    "yellow": _YELLOW,
    "gold": (Range((28, 60), (0.3, 1), (0.4, 1)),),
    "golden": (Range((24, 60), (0.25, 1), (0.4, 1)),),
    "green": _GREEN,
    "teal": _TEAL,
    "turquoise": _TEAL,
    "blue": _BLUE,
    "navy": (Range((205, 260), (0.25, 1), (0.05, 0.5)),),
    "purple": _PURPLE,
    "violet": _PURPLE,
    "pink": _PINK,
    "brown": _BROWN,
    "brunette": (*_BROWN, *_BLACK),
    "tan": _BEIGE,
    "beige": _BEIGE,
    "khaki": (*_BEIGE, Range((40, 75), (0.15, 0.6), (0.3, 0.8))),
    "blond": (*_BEIGE, *_YELLOW),
    "blonde": (*_BEIGE, *_YELLOW),
}
"""Spelled as the parser spells them."""
TONES: dict[str, tuple[Range, ...]] = {
    "dark": (Range(value=(0, 0.4)),),
    "light": (Range(value=(0.62, 1)),),
    "bright": (Range(value=(0.62, 1)),),
    "pale": (Range(saturation=(0, 0.4), value=(0.55, 1)),),
}
"""Words that say how bright a thing is, if no colour follows them."""


def pixels_of(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB and (H, W) bool -> (P, 3) float32: hue in degrees, saturation and value in [0, 1], of at most
    `MAX_PIXELS` pixels of the mask."""
    inside = image[mask]
    sampled = inside[:: -(-len(inside) // MAX_PIXELS) or 1].astype(np.float32) / 255
    return cv2.cvtColor(sampled[None], cv2.COLOR_RGB2HSV)[0] if len(sampled) else np.zeros((0, 3), np.float32)


def colour_share(hsv: np.ndarray, colour: str) -> float:
    """The share of (P, 3) pixels that a name of `COLOURS` or `TONES` fits; 0 without pixels."""
    return _share(hsv, COLOURS[colour] if colour in COLOURS else TONES[colour])


def _share(hsv: np.ndarray, ranges: Sequence[Range]) -> float:
    return float(np.logical_or.reduce([r.holds(hsv) for r in ranges]).mean()) if len(hsv) else 0.0


def _within(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return (values >= bounds[0]) & (values <= bounds[1])
