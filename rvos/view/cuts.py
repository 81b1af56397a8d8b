"""Scene cuts: whether two pictures that follow each other show two scenes. Small thumbnails and index arithmetic.

A cut changes what is where and which colours there are. Motion and camera pans keep the colours; a flash or a change of
light keeps what is where. So two measures are added, each blind to one of those: what is left of the difference when
every place may look for its like nearby, light taken out; and how far the colour histograms lie apart.
"""

from __future__ import annotations

import cv2
import numpy as np

THUMBNAIL = (18, 32)
"""(height, width) of a thumbnail, whatever the picture's shape."""

_REACH = (2, 3)
"""Cells (down, across) that a place looks around for its like: a tenth of the picture."""

_COLOUR_WEIGHT = 0.3
_THRESHOLD = 0.43
"""Nearly all pairs of pictures from different clips lie above it, and neighbours within one clip below (a reading)."""

_MEAN = np.full((1, 3), 1 / 3, np.float32)
"""Three channels to their mean, for `cv2.transform`."""

_FLAT = 4.0
"""Grey levels: contrast below which a picture counts as flat, so that noise is not enlarged."""


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 -> (18, 32, 3) uint8."""
    # Every few pixels are enough for means over cells.
    step = max(1, min(picture.shape[0] // (4 * THUMBNAIL[0]), picture.shape[1] // (4 * THUMBNAIL[1])))
    coarse = np.ascontiguousarray(picture[::step, ::step])
    return cv2.resize(coarse, THUMBNAIL[::-1], interpolation=cv2.INTER_AREA)


def is_cut(before: np.ndarray, now: np.ndarray) -> bool:
    """The scene changed between two thumbnails (18, 32, 3) uint8."""
    return cut_score(before, now) > _THRESHOLD


def cut_score(before: np.ndarray, now: np.ndarray) -> float:
    """How far two thumbnails are from showing one scene: 0 = alike, from about 0.45 two scenes."""
    colour = _COLOUR_WEIGHT * _colour_distance(before, now)
    one, other = _without_light(before), _without_light(now)
    in_place = float(np.abs(one - other).mean())
    if in_place + colour <= _THRESHOLD:
        return in_place + colour  # looking around could only lower it
    return _unmatched(one, other) + colour


def _without_light(picture: np.ndarray) -> np.ndarray:
    """Colours without their mean and their contrast."""
    values = picture.astype(np.float32)
    values -= values.mean((0, 1))
    return values / (values.std() + _FLAT)


def _unmatched(before: np.ndarray, now: np.ndarray) -> float:
    """Mean difference of each place (3x3 cells) of `now` from what is most like it nearby in `before`."""
    down, across = _REACH
    height, width = now.shape[:2]
    around = cv2.copyMakeBorder(before, down, down, across, across, cv2.BORDER_REPLICATE)
    best = np.full((height, width), np.inf, np.float32)
    for y in range(2 * down + 1):
        for x in range(2 * across + 1):
            difference = cv2.absdiff(around[y : y + height, x : x + width], now)
            best = np.minimum(best, cv2.blur(cv2.transform(difference, _MEAN), (3, 3)))
    return float(best.mean())


def _colour_distance(before: np.ndarray, now: np.ndarray) -> float:
    """How far the colours of two thumbnails lie apart: 0 = the same histograms, 1 = nothing in common."""
    one, other = (
        np.bincount(((picture >> 4) + np.arange(0, 48, 16, dtype=np.uint8)).ravel(), minlength=48)
        for picture in (before, now)
    )
    return float(np.abs(one - other).sum()) / (2 * before.size)
