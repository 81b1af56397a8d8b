"""Scene cuts: whether two consecutive frames show different scenes. Computed on small thumbnails.

A cut changes both the layout of the image and its colours. Motion and camera pans keep the colours; a flash or a
change of light keeps the layout. So two measures are added: the difference that remains after each cell was matched to
the most similar cell nearby, with mean and contrast normalised; and the distance of the colour histograms.
"""

from __future__ import annotations

import cv2
import numpy as np

THUMBNAIL = (18, 32)
"""(height, width) of a thumbnail, whatever the shape of the image."""

_SEARCH_RADIUS = (2, 3)
"""Cells (down, across) within which a cell may be matched: a tenth of the image."""

_COLOUR_WEIGHT = 0.3
_THRESHOLD = 0.43
"""Our choice: nearly all pairs of images from different clips are above, and neighbouring frames of one clip below."""

_CHANNEL_MEAN = np.full((1, 3), 1 / 3, np.float32)
"""Averages three channels, for `cv2.transform`."""

_CONTRAST_OFFSET = 4.0
"""Grey levels, added to the contrast, so that noise is not amplified in images of low contrast."""


def thumbnail(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 -> (18, 32, 3) uint8."""
    # Every few pixels are enough for the means of cells.
    step = max(1, min(image.shape[0] // (4 * THUMBNAIL[0]), image.shape[1] // (4 * THUMBNAIL[1])))
    coarse = np.ascontiguousarray(image[::step, ::step])
    return cv2.resize(coarse, THUMBNAIL[::-1], interpolation=cv2.INTER_AREA)


def is_cut(before: np.ndarray, now: np.ndarray) -> bool:
    """Whether the scene changed between two thumbnails (18, 32, 3) uint8."""
    return cut_score(before, now) > _THRESHOLD


def cut_score(before: np.ndarray, now: np.ndarray) -> float:
    """How far two thumbnails are from showing one scene: 0 = equal, from about 0.45 two scenes."""
    colour = _COLOUR_WEIGHT * _colour_distance(before, now)
    one, other = _normalised(before), _normalised(now)
    in_place = float(np.abs(one - other).mean())
    if in_place + colour <= _THRESHOLD:
        return in_place + colour  # matching could only lower it
    return _matching_error(one, other) + colour


def _normalised(image: np.ndarray) -> np.ndarray:
    """Colours with mean and contrast normalised."""
    values = image.astype(np.float32)
    values -= values.mean((0, 1))
    return values / (values.std() + _CONTRAST_OFFSET)


def _matching_error(before: np.ndarray, now: np.ndarray) -> float:
    """Mean difference of each 3x3 neighbourhood of `now` from the most similar one nearby in `before`."""
    down, across = _SEARCH_RADIUS
    height, width = now.shape[:2]
    padded = cv2.copyMakeBorder(before, down, down, across, across, cv2.BORDER_REPLICATE)
    best = np.full((height, width), np.inf, np.float32)
    for y in range(2 * down + 1):
        for x in range(2 * across + 1):
            difference = cv2.absdiff(padded[y : y + height, x : x + width], now)
            best = np.minimum(best, cv2.blur(cv2.transform(difference, _CHANNEL_MEAN), (3, 3)))
    return float(best.mean())


def _colour_distance(before: np.ndarray, now: np.ndarray) -> float:
    """Distance of the colour histograms of two thumbnails: 0 = equal, 1 = nothing in common."""
    one, other = (
        np.bincount(((image >> 4) + np.arange(0, 48, 16, dtype=np.uint8)).ravel(), minlength=48)
        for image in (before, now)
    )
    return float(np.abs(one - other).sum()) / (2 * before.size)
