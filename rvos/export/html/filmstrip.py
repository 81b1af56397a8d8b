"""A few frames of an expression side by side: the prediction filled, the truth outlined, as JPEG inside the page."""

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


def spread(shown: Sequence[bool], count: int = FRAMES) -> list[int]:
    """At most `count` positions in order, evenly spread over those with True; too few are filled up with others."""
    there = np.asarray(shown, bool)
    first = _evenly(np.flatnonzero(there), count)
    return sorted([*first, *_evenly(np.flatnonzero(~there), count - len(first))])


def _evenly(positions: np.ndarray, count: int) -> list[int]:
    return positions[np.rint(np.linspace(0, len(positions) - 1, min(count, len(positions)))).astype(int)].tolist()


def paint(frame: np.ndarray, truth: np.ndarray | None, prediction: np.ndarray) -> np.ndarray:
    """(h, 320, 3) uint8 RGB: the frame at the width of the strip, prediction filled and edged, truth outlined over it.

    frame: (H, W, 3) uint8 RGB; truth, prediction: (H, W) bool, None where there is no truth.
    """
    size = (_WIDTH_PX, max(1, round(frame.shape[0] * _WIDTH_PX / frame.shape[1])))
    # Of a small frame the marks would be as coarse as its pixels: it is made larger.
    shrinks = frame.shape[1] > _WIDTH_PX
    image = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    filled = _scaled(prediction, size)
    _PAINTER.fill(image, filled, PREDICTION)
    _PAINTER.outline(image, filled, PREDICTION, 1)
    if truth is not None:
        _PAINTER.outline(image, _scaled(truth, size), TRUTH, 2)
    return image


def data_uri(image: np.ndarray) -> str:
    """(H, W, 3) uint8 RGB as the address of an inline JPEG."""
    return jpeg_uri(jpeg_bytes(image, _QUALITY))


def _scaled(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bool; a pixel stays when half of it is covered, and something stays of a mask that is not empty."""
    shrinks = mask.shape[1] > size[0]
    covered = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(covered >= min(0.5, float(covered.max()) or 1.0))
