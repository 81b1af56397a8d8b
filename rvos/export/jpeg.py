"""JPEG encoding in memory, for HTML pages and for datasets."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from image_core.errors import OutputError


def jpeg_bytes(image: np.ndarray, quality: int) -> bytes:
    """(H, W, 3) uint8 RGB, quality 0 to 100 -> a JPEG file. Raises `OutputError` for a size that JPEG cannot store."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    encoded, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    if not encoded:
        raise OutputError(
            f"JPEG: expected an image of 1 to 65500 px per side, got {image.shape}: leave this format out"
        )
    return data.tobytes()


def jpeg_uri(data: bytes) -> str:
    """A JPEG file as a `data:` URI."""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
