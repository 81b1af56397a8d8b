"""What a pixel looks like: colour at five scales, edge directions at two, and where it lies in the object.

Computed once a frame for all objects (`view.once`), at a short side of at most `WORK_PX`.
"""

from __future__ import annotations

import cv2
import numpy as np

from rvos.motion import flow_to_before
from rvos.view import View

WORK_PX = 240
"""Short side of the pictures that objects are tracked on; smaller videos keep their size."""

COLOUR_SIGMAS = (0.7, 2.0, 4.0, 8.0, 16.0)
EDGE_SIGMAS = (2.0, 5.0)
CHANNELS = 3 * len(COLOUR_SIGMAS) + 4 * len(EDGE_SIGMAS) + 2
LAB_RANGE = np.array((100.0, 60.0, 60.0), np.float32)


def work_size(view: View) -> tuple[int, int]:
    """(h, w) that this video is tracked at."""
    height, width = view.picture.shape[:2]
    factor = min(1.0, WORK_PX / min(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def work_picture(view: View) -> np.ndarray:
    """(h, w, 3) float32 RGB in [0, 1] at work size. Ask by `view.once(work_picture)`."""
    height, width = work_size(view)
    small = cv2.resize(view.picture, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def work_flow(view: View) -> np.ndarray:
    """(h, w, 2) float32, `flow_to_before` in pixels of the work size. Ask by `view.once(work_flow)`."""
    flow = view.once(flow_to_before)
    height, width = work_size(view)
    small = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA)
    return small * np.array((width / flow.shape[1], height / flow.shape[0]), np.float32)


def pixel_features(view: View) -> np.ndarray:
    """(h, w, CHANNELS - 2) float32, all but the two of position. Ask by `view.once(pixel_features)`."""
    lab = cv2.cvtColor(view.once(work_picture), cv2.COLOR_RGB2Lab) / LAB_RANGE
    layers = [smooth(lab, sigma) for sigma in COLOUR_SIGMAS]
    layers += [edge_directions(lab[..., 0], sigma) for sigma in EDGE_SIGMAS]
    return np.concatenate(layers, axis=2)


def smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; wide ones on a picture made smaller first, which costs a tenth."""
    shrink = int(sigma / 2)
    if shrink <= 1 or min(values.shape[:2]) <= 4 * shrink:
        return cv2.GaussianBlur(values, (0, 0), sigma)
    height, width = values.shape[:2]
    small = cv2.resize(values, (-(-width // shrink), -(-height // shrink)), interpolation=cv2.INTER_AREA)
    rest = np.sqrt(sigma**2 / shrink**2 - 1 / 6)  # averaging and interpolating blur a little themselves
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), rest), (width, height), interpolation=cv2.INTER_LINEAR)


def edge_directions(light: np.ndarray, sigma: float) -> np.ndarray:
    """(h, w, 4): how much edge there is within `sigma` px in each of four directions, whichever side is brighter.

    The gradient's angle is doubled, so that an edge and its reverse agree, and split into half-rectified parts.
    """
    fine = cv2.GaussianBlur(light, (0, 0), 0.7)
    dx, dy = cv2.Sobel(fine, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(fine, cv2.CV_32F, 0, 1, scale=1 / 8)
    size = np.sqrt(dx * dx + dy * dy) + 1e-6
    along, across = (dx * dx - dy * dy) / size, 2 * dx * dy / size
    parts = np.stack([np.maximum(p, 0) for p in (along, -along, across, -across)], axis=2)
    return np.sqrt(smooth(parts, sigma))


def position_features(size: tuple[int, int], origin: tuple[int, int], centre: np.ndarray, scale: float) -> np.ndarray:
    """(h, w, 2): where the pixels of a box lie in an object, x then y, in (-.6, .6).

    origin: (x, y) of the box's corner; centre: (x, y) of the object; scale: about its side, in pixels.
    """
    x = np.tanh((np.arange(size[1], dtype=np.float32) + (origin[0] - centre[0])) / (2 * scale))
    y = np.tanh((np.arange(size[0], dtype=np.float32) + (origin[1] - centre[1])) / (2 * scale))
    both = np.empty((*size, 2), np.float32)
    both[..., 0], both[..., 1] = 0.6 * x, 0.6 * y[:, None]
    return both
