"""Images of tracks for a model that is asked about them: each track has an outline, and its number beside it.

Outlines and numbers lie outside of all masks if there is room, so that they hide nothing of the tracks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from rvos.tracking.deciding.album import fitted

Colour = tuple[int, int, int]

COLOURS: tuple[tuple[str, Colour], ...] = (
    ("red", (255, 0, 0)),
    ("cyan", (0, 255, 255)),
    ("yellow", (255, 255, 0)),
    ("magenta", (255, 0, 255)),
    ("green", (0, 230, 0)),
    ("blue", (40, 80, 255)),
    ("orange", (255, 140, 0)),
    ("white", (255, 255, 255)),
    ("pink", (255, 150, 190)),
    ("purple", (150, 60, 220)),
    ("brown", (160, 90, 30)),
    ("olive", (140, 150, 0)),
)
"""Name and value of the colour of each number, from 1 on, repeated. They are far apart, the first ones the farthest."""
LINE_SHARE = 1 / 120
"""Width of an outline, as a share of the short side of the image; its dark rim is half as wide."""
TEXT_SHARE = 1 / 16
"""Height of a number, as a share of the short side of the image."""
LEAST_FREE = 1 / 3
"""An outline leaves out the pixels of other tracks if at least this share of it remains; else it is drawn over them."""
AROUND = 0.25
"""Margin of a close-up, in longer sides of the object's box."""
DARK: Colour = (0, 0, 0)


def colour_of(number: int) -> tuple[str, Colour]:
    """The name and the colour of a number from 1 on."""
    return COLOURS[(number - 1) % len(COLOURS)]


def draw_outlines(image: np.ndarray, masks: Mapping[int, np.ndarray]) -> np.ndarray:
    """A copy of an image, (h, w, 3) uint8 RGB, with numbered outlines. masks: number -> (h, w) bool, not empty."""
    drawn = image.copy()
    side = min(image.shape[:2])
    line, rim = max(2, round(side * LINE_SHARE)), max(1, round(side * LINE_SHARE / 2))
    all_masks = np.logical_or.reduce([np.zeros(image.shape[:2], bool), *masks.values()])
    bands = {number: _band(mask, all_masks, line) for number, mask in masks.items()}
    for mask in masks.values():
        drawn[_grown(mask, line + rim) & ~all_masks] = DARK
    for number, band in bands.items():
        drawn[band] = colour_of(number)[1]
    taken = np.logical_or.reduce([all_masks, *bands.values()])
    for number, mask in masks.items():
        tag = _Tag.of(number, max(12, round(side * TEXT_SHARE)))
        top, left = _place(tag, mask, taken)
        tag.stamp(drawn, top, left)
        taken[top : top + tag.height, left : left + tag.width] = True
    return drawn


def crop_around(image: np.ndarray, mask: np.ndarray, short_side: int) -> np.ndarray:
    """A close-up: the part of an image around a mask (h, w) bool, not empty, with a margin of `AROUND`, and a short
    side of `short_side` pixels (see `fitted`)."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    room = max(4, round(AROUND * max(bottom - top, right - left)))
    return fitted(image[max(0, top - room) : bottom + room, max(0, left - room) : right + room], short_side)


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by + 1, 2 * by + 1))
    return cv2.dilate(mask.astype(np.uint8), disc) > 0


def _band(mask: np.ndarray, all_masks: np.ndarray, width: int) -> np.ndarray:
    """(h, w) bool: the outline of a mask, without the pixels of other masks if enough of it remains."""
    around = _grown(mask, width) & ~mask
    free = around & ~all_masks
    return free if np.count_nonzero(free) >= LEAST_FREE * np.count_nonzero(around) else around


@dataclass(frozen=True)
class _Tag:
    """A number on a rectangle of its colour."""

    number: int
    scale: float
    #: (width, height) of the letters, and how far they reach below their line.
    letters: tuple[int, int]
    below: int
    pad: int

    @classmethod
    def of(cls, number: int, height: int) -> _Tag:
        scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, height, _thickness(height))
        letters, below = cv2.getTextSize(str(number), cv2.FONT_HERSHEY_SIMPLEX, scale, _thickness(height))
        return cls(number, scale, (letters[0], letters[1]), below, max(2, height // 5))

    @property
    def width(self) -> int:
        return self.letters[0] + 2 * self.pad

    @property
    def height(self) -> int:
        return self.letters[1] + 2 * self.pad

    def stamp(self, image: np.ndarray, top: int, left: int) -> None:
        """Draw it with a dark rim; the number is black or white, whichever has more contrast."""
        colour = colour_of(self.number)[1]
        plate = image[top : top + self.height, left : left + self.width]
        plate[:] = DARK
        plate[1:-1, 1:-1] = colour
        luminance = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
        ink = DARK if luminance > 110 else (255, 255, 255)
        at = left + self.pad, top + self.height - self.pad
        thickness = _thickness(self.letters[1])
        cv2.putText(image, str(self.number), at, cv2.FONT_HERSHEY_SIMPLEX, self.scale, ink, thickness, cv2.LINE_AA)


def _thickness(height: int) -> int:
    return max(1, round(height / 8))


def _place(tag: _Tag, mask: np.ndarray, taken: np.ndarray) -> tuple[int, int]:
    """(top, left) of a tag near a mask, inside the image, where it covers the fewest pixels of `taken`."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    gap = max(2, round(min(height, width) * LINE_SHARE))
    wide, high = tag.width, tag.height
    middle = (left + right - wide) // 2
    wanted = [
        *((top - gap - high, x) for x in (left, middle, right - wide)),
        *((bottom + gap, x) for x in (left, middle, right - wide)),
        *((y, x) for x in (left - gap - wide, right + gap) for y in (top, (top + bottom - high) // 2, bottom - high)),
    ]
    lowest, last = max(0, height - high), max(0, width - wide)
    places = [(min(max(0, y), lowest), min(max(0, x), last)) for y, x in wanted]
    covered = [np.count_nonzero(taken[y : y + high, x : x + wide]) for y, x in places]
    return places[int(np.argmin(covered))]
