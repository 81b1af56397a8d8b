"""The images of a filmstrip: a few frames of an expression, the prediction filled, the ground truth outlined."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from rvos.export.jpeg import jpeg_bytes, jpeg_uri
from rvos.export.painter import Painter
from rvos.export.style import FILMSTRIP_STYLE

FRAMES = 5
PREDICTION, TRUTH = FILMSTRIP_STYLE.colour_of(0), FILMSTRIP_STYLE.colour_of(1)

_WIDTH_PX = 320
_QUALITY = 78
_PAINTER = Painter(FILMSTRIP_STYLE)


def evenly_spread(preferred: Sequence[bool], count: int = FRAMES) -> list[int]:
    """At most `count` positions in order, evenly spread over the preferred ones, filled up with others if too few."""
    is_preferred = np.asarray(preferred, bool)
    first = _evenly(np.flatnonzero(is_preferred), count)
    return sorted([*first, *_evenly(np.flatnonzero(~is_preferred), count - len(first))])


def _evenly(positions: np.ndarray, count: int) -> list[int]:
    return positions[np.rint(np.linspace(0, len(positions) - 1, min(count, len(positions)))).astype(int)].tolist()


def paint(frame: np.ndarray, truth: np.ndarray | None, prediction: np.ndarray) -> np.ndarray:
    """(h, 320, 3) uint8 RGB: the frame at the width of the strip, with the prediction filled and outlined, and
    the ground truth outlined over it.

    frame: (H, W, 3) uint8 RGB; truth: (H, W) bool or None; prediction: (H, W) bool.
    """
    size = (_WIDTH_PX, max(1, round(frame.shape[0] * _WIDTH_PX / frame.shape[1])))
    # A small frame is enlarged, since outlines would be as coarse as its pixels.
    shrinks = frame.shape[1] > _WIDTH_PX
    image = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    filled = _scaled(prediction, size)
    _PAINTER.fill(image, filled, PREDICTION)
    _PAINTER.outline(image, filled, PREDICTION, 1)
    if truth is not None:
        _PAINTER.outline(image, _scaled(truth, size), TRUTH, 2)
    return image


def data_uri(image: np.ndarray) -> str:
    """(H, W, 3) uint8 RGB as a JPEG in a `data:` URI."""
    return jpeg_uri(jpeg_bytes(image, _QUALITY))


def _scaled(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The mask, resized: pixels of which at least half is covered. A mask that is not empty does not become empty."""
    shrinks = mask.shape[1] > size[0]
    covered = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(covered >= min(0.5, float(covered.max()) or 1.0))
