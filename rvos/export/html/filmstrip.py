"""A few frames of an expression side by side: the prediction filled, the truth outlined, as JPEG inside the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import cv2
import numpy as np

FRAMES = 5
TRUTH, PREDICTION = (86, 180, 233), (230, 159, 0)
"""Sky blue and orange of Okabe and Ito, told apart by colour-blind people too."""

_WIDTH_PX = 320
_QUALITY = 78
_FILL_ALPHA = 0.5
_HALO = (16, 16, 16)


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
    colour = np.array(PREDICTION, np.float32)
    image[filled > 0] = np.rint((1 - _FILL_ALPHA) * image[filled > 0] + _FILL_ALPHA * colour).astype(np.uint8)
    _outline(image, filled, PREDICTION, 1)
    if truth is not None:
        outlined = _scaled(truth, size)
        _outline(image, outlined, _HALO, 4)
        _outline(image, outlined, TRUTH, 2)
    return image


def data_uri(image: np.ndarray) -> str:
    """(H, W, 3) uint8 RGB as the address of an inline JPEG."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def _scaled(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 0 or 1; a pixel stays when half of it is covered, and something stays of a mask that is not empty."""
    shrinks = mask.shape[1] > size[0]
    covered = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return (covered >= min(0.5, float(covered.max()) or 1.0)).astype(np.uint8)


def _outline(image: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], width_px: int) -> None:
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, contours, -1, colour, width_px, cv2.LINE_AA)
