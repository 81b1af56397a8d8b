"""The random Fourier features of the pixels of a frame, computed once for all classifiers, and only where they are
needed."""

from __future__ import annotations

import cv2
import numpy as np

from rvos.tracking.carrying.appearance import pixel_features, work_size
from rvos.tracking.carrying.box import Box
from rvos.tracking.carrying.head import DIMENSION, lift
from rvos.view.frame_view import View

TILE = 16
"""Side of a tile, in pixels at half the work size; features are computed tile by tile."""


class LiftedPicture:
    """(h', w', D) random Fourier features of the pixels at half the work size (`head`), computed tile by tile on
    request."""

    def __init__(self, features: np.ndarray) -> None:
        """features: (h', w', C) float32."""
        self._features = features
        self._lifted = np.empty((*features.shape[:2], DIMENSION), np.float32)
        self._done = np.zeros((-(-features.shape[0] // TILE), -(-features.shape[1] // TILE)), bool)

    def part(self, box: Box) -> np.ndarray:
        """(h'', w'', D) float32: those in a box at half the work size."""
        rows, columns = (slice(a // TILE, -(-b // TILE)) for a, b in ((box.top, box.bottom), (box.left, box.right)))
        for row, column in zip(*np.nonzero(~self._done[rows, columns]), strict=True):
            top, left = TILE * (rows.start + row), TILE * (columns.start + column)
            tile = slice(top, top + TILE), slice(left, left + TILE)
            wanted = self._features[tile]
            self._lifted[tile] = lift(wanted.reshape(-1, wanted.shape[2])).reshape(*wanted.shape[:2], DIMENSION)
        self._done[rows, columns] = True
        return self._lifted[box.part]


def lifted(view: View) -> LiftedPicture:
    """The features of a frame. Ask by `view.once(lifted)`."""
    return LiftedPicture(view.once(pixel_features))


def scores(view: View, theta: np.ndarray, box: Box) -> np.ndarray:
    """(h, w) float32 in a box at work size: about 1 on pixels that look like the object, and about -1 on pixels that
    look like its surroundings. theta: (D,), the weights of the classifier."""
    half = box.halved()
    small = view.once(lifted).part(half) @ theta
    height, width = half.size
    large = cv2.resize(small, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    top, left = box.top - 2 * half.top, box.left - 2 * half.left
    return large[top : top + box.size[0], left : left + box.size[1]]


def whole(view: View) -> Box:
    """All of the image at work size."""
    height, width = work_size(view)
    return Box(0, 0, width, height)
