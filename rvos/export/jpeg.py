"""Pictures as JPEG in memory: inside pages, and as the frames of datasets."""

from __future__ import annotations

import base64

import cv2
import numpy as np


def jpeg_bytes(image: np.ndarray, quality: int) -> bytes:
    """(H, W, 3) uint8 RGB, quality 0 to 100 -> a JPEG file."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    return data.tobytes()


def jpeg_uri(data: bytes) -> str:
    """A JPEG file as an address inside a page."""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
