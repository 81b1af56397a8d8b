"""The images of the page: a frame with its masks, masks alone, or both side by side; masks to and from PNG."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from image_core.errors import DataError, UnknownNameError
from rvos.export.painter import Painter
from rvos.export.style import OVERLAY_STYLE

_PAINTER = Painter(OVERLAY_STYLE)
_MASKS_BACKGROUND = 24
"""Grey level around the masks in the display `masks`."""
_MAX_SIDE_PX = 1600
"""Longest side of an image: no screen shows more of it."""


def _draw_overlay(image: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    drawn = image.copy()
    _PAINTER.masks(drawn, masks)
    return drawn


def _draw_masks(image: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    drawn = np.full_like(image, _MASKS_BACKGROUND)
    for index, mask in enumerate(masks):
        drawn[mask] = OVERLAY_STYLE.colour_of(index)
    return drawn


def _draw_side_by_side(image: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    return np.hstack([image, _draw_overlay(image, masks)])


DISPLAYS: dict[str, Callable[[np.ndarray, Sequence[np.ndarray]], np.ndarray]] = {
    "overlay": _draw_overlay,
    "masks": _draw_masks,
    "side_by_side": _draw_side_by_side,
    "original": lambda image, masks: image,
}
"""Name of a display -> function that draws it: a frame (H, W, 3) uint8 RGB and its E masks (H, W) bool -> (H, W, 3)
uint8 RGB; `side_by_side` is twice as wide."""


def frame_jpeg(display: str, image: np.ndarray, masks: Sequence[np.ndarray]) -> bytes:
    """A JPEG of a frame in a display, scaled down if it is larger than a screen. Raises `UnknownNameError`."""
    if display not in DISPLAYS:
        raise UnknownNameError("display", display, list(DISPLAYS))
    drawn = cv2.cvtColor(DISPLAYS[display](image, masks), cv2.COLOR_RGB2BGR)
    scale = _MAX_SIDE_PX / max(drawn.shape)
    if scale < 1:
        drawn = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def css_colour(expression_index: int) -> str:
    """The colour of an expression as `#rrggbb`."""
    red, green, blue = OVERLAY_STYLE.colour_of(expression_index)
    return f"#{red:02x}{green:02x}{blue:02x}"


def encode_mask(mask: np.ndarray) -> str:
    """A mask (H, W) bool as a PNG in a `data:` URI: white inside, transparent outside."""
    rgba = np.full((*mask.shape, 4), 255, np.uint8)
    rgba[..., 3] = np.where(mask, 255, 0)
    return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", rgba)[1].tobytes()).decode("ascii")


def decode_mask(uri: str, size: tuple[int, int]) -> np.ndarray:
    """The mask (H, W) bool that was painted on a canvas, resized to `size` (height, width).

    uri: a PNG with alpha in a `data:` URI. A pixel is in the mask if its alpha is above half. Raises `DataError` for
    anything else, and for an image that is much larger than the frame.
    """
    prefix, _, data = uri.partition(",")
    try:
        encoded = np.frombuffer(base64.b64decode(data, validate=True), np.uint8)
    except (ValueError, binascii.Error):
        encoded = np.zeros(0, np.uint8)
    header = bytes(encoded[:24])
    if prefix != "data:image/png;base64" or header[:8] != b"\x89PNG\r\n\x1a\n" or len(header) < 24:
        raise DataError("correction: expected a painted PNG, got something else: paint it on the page")
    width, height = int.from_bytes(header[16:20]), int.from_bytes(header[20:24])
    if width * height > 4 * size[0] * size[1] + 1_000_000:
        raise DataError(
            f"correction: expected an image as large as the frame, {size[1]} x {size[0]}, got {width} x {height}: "
            "paint it on the page"
        )
    image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        raise DataError("correction: expected a PNG with transparency, got one without: paint it on the page")
    alpha = image[..., 3]
    if alpha.shape != size:
        alpha = cv2.resize(alpha, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return alpha > 127
