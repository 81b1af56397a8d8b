"""The pictures of the page: a frame with its masks, masks alone, or both side by side; candidates; painted masks."""

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
_MASK_GROUND = 24
"""The grey that masks alone stand on."""
_LONGEST_PX = 1600
"""The longer side of a picture, at most: no screen shows more of it."""


def _overlay(image: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    picture = image.copy()
    _PAINTER.masks(picture, masks)
    return picture


def _masks(image: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    picture = np.full_like(image, _MASK_GROUND)
    for index, mask in enumerate(masks):
        picture[mask] = OVERLAY_STYLE.colour_of(index)
    return picture


def _side_by_side(image: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    return np.hstack([image, _overlay(image, masks)])


VIEWS: dict[str, Callable[[np.ndarray, Sequence[np.ndarray]], np.ndarray]] = {
    "overlay": _overlay,
    "masks": _masks,
    "beside": _side_by_side,
    "film": lambda image, masks: image,
}
"""Name of a view -> (H, W, 3) uint8 RGB of a frame and its E masks (H, W) bool."""


def picture_of(view: str, image: np.ndarray, masks: Sequence[np.ndarray]) -> bytes:
    """A JPEG of a frame in a view, smaller where the frame is larger than a screen. Raises `UnknownNameError`."""
    if view not in VIEWS:
        raise UnknownNameError("view", view, list(VIEWS))
    drawn = cv2.cvtColor(VIEWS[view](image, masks), cv2.COLOR_RGB2BGR)
    shrink = _LONGEST_PX / max(drawn.shape)
    if shrink < 1:
        drawn = cv2.resize(drawn, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def colour_of(expression_index: int) -> str:
    """The colour of an expression, as CSS writes it."""
    red, green, blue = OVERLAY_STYLE.colour_of(expression_index)
    return f"#{red:02x}{green:02x}{blue:02x}"


def shape_of(mask: np.ndarray) -> str:
    """A mask (H, W) bool as a PNG in a `data:` address, white where it is and clear elsewhere."""
    picture = np.full((*mask.shape, 4), 255, np.uint8)
    picture[..., 3] = np.where(mask, 255, 0)
    return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode("ascii")


def painted(address: str, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool at a size: what was painted on a canvas, a PNG in a `data:` address; more than half covered is in.

    Raises `DataError` for anything else, and for a canvas that is larger than the frame by far.
    """
    kind, _, data = address.partition(",")
    try:
        coded = np.frombuffer(base64.b64decode(data, validate=True), np.uint8)
    except (ValueError, binascii.Error):
        coded = np.zeros(0, np.uint8)
    head = bytes(coded[:24])
    if kind != "data:image/png;base64" or head[:8] != b"\x89PNG\r\n\x1a\n" or len(head) < 24:
        raise DataError("correction: expected a painted PNG, got something else: paint it on the page")
    width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    if width * height > 4 * size[0] * size[1] + 1_000_000:
        raise DataError(f"correction: expected an image as large as the frame, got {width} x {height}")
    picture = cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
        raise DataError("correction: expected a PNG with transparency, got one without: paint it on the page")
    alpha = picture[..., 3]
    if alpha.shape != size:
        alpha = cv2.resize(alpha, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return alpha > 127
