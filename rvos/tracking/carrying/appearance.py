"""Pixel features: colour at five scales, and edge directions at two.

Computed once a frame for all objects (`view.once`). Objects are tracked at a short side of at most `WORK_PX`. Features
have half that resolution, which takes a quarter of the time; the guided filter restores the sharpness.
"""

from __future__ import annotations

import cv2
import numpy as np

from rvos.view.frame_view import View
from rvos.view.motion import flow_from_before, flow_to_before, warp

WORK_PX = 240
"""Short side of the images that objects are tracked on; smaller videos keep their size."""

FINE_SIGMA = 0.7
COLOUR_SIGMAS = (2.0, 4.0, 8.0, 16.0)
EDGE_SIGMAS = (2.0, 5.0)
EDGE_GAIN = 8.0
CHANNELS = 3 * (1 + len(COLOUR_SIGMAS)) + 4 * len(EDGE_SIGMAS)
CHANGE = 0.15
"""Difference of colour (of 1) at which the trust in the flow has fallen to 1/e."""
LAB_RANGE = np.array((100.0, 60.0, 60.0), np.float32)


def work_size(view: View) -> tuple[int, int]:
    """(h, w) of the images that objects of this video are tracked on."""
    height, width = view.small_image.shape[:2]
    factor = min(1.0, WORK_PX / min(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def work_picture(view: View) -> np.ndarray:
    """(h, w, 3) float32 RGB in [0, 1] at work size. Ask by `view.once(work_picture)`."""
    height, width = work_size(view)
    small = cv2.resize(view.small_image, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def work_flow(view: View) -> np.ndarray:
    """(h, w, 2) float32, `flow_to_before` in pixels of the work size. Ask by `view.once(work_flow)`."""
    return _at_work_size(view, view.once(flow_to_before))


def _at_work_size(view: View, flow: np.ndarray) -> np.ndarray:
    height, width = work_size(view)
    small = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA)
    return small * np.array((width / flow.shape[1], height / flow.shape[0]), np.float32)


def flow_trust(view: View) -> np.ndarray:
    """(h, w) float32 in [0, 1] at work size: 1 where forward and backward flow agree and the warped colours match the
    frame; 0 on the first frame and across a cut. Ask by `view.once(flow_trust)`."""
    height, width = work_size(view)
    if view.before is None or view.cut:
        return np.zeros((height, width), np.float32)
    there = view.once(work_flow)
    back = warp(_at_work_size(view, view.once(flow_from_before)), there)
    astray = np.maximum(0, _length(there + back) - 0.05 * _length(there))  # in pixels, less a twentieth of the flow
    before = cv2.resize(view.before, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    red, green, blue = cv2.split(cv2.absdiff(warp(before, there), view.once(work_picture)))
    change = cv2.blur(cv2.max(cv2.max(red, green), blue), (3, 3)) / CHANGE
    return np.exp(-(astray * astray + change * change))


def _length(flow: np.ndarray) -> np.ndarray:
    return cv2.magnitude(flow[..., 0], flow[..., 1])


def halved(values: np.ndarray) -> np.ndarray:
    """(h, w) or (h, w, C) -> means of 2 x 2 pixels; an odd last row or column is stretched."""
    height, width = values.shape[:2]
    return cv2.resize(values, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)


def pixel_features(view: View) -> np.ndarray:
    """(ceil(h / 2), ceil(w / 2), CHANNELS) float32. Ask by `view.once(pixel_features)`.

    Sigmas are in pixels of the work size.
    """
    lab = cv2.cvtColor(view.once(work_picture), cv2.COLOR_RGB2Lab) / LAB_RANGE
    colour = halved(lab)
    layers = [colour, *(_blurred(colour, sigma / 2) for sigma in COLOUR_SIGMAS)]
    edges = halved(_edges(np.ascontiguousarray(lab[..., 0])))
    layers += [np.sqrt(EDGE_GAIN * cv2.GaussianBlur(edges, (0, 0), sigma / 2)) for sigma in EDGE_SIGMAS]
    return np.concatenate(layers, axis=2)


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; a wide one on smaller images, where it costs a fraction."""
    if sigma <= 2.5:
        return cv2.GaussianBlur(values, (0, 0), sigma)
    height, width = values.shape[:2]
    small = halved(halved(values))
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), (width, height), interpolation=cv2.INTER_LINEAR)


def _edges(light: np.ndarray) -> np.ndarray:
    """(h, w, 4): strength of edges in four directions, whichever side is brighter.

    The angle of the gradient is doubled, so that opposite gradients agree. Its components are split into their positive
    and negative parts.
    """
    fine = cv2.GaussianBlur(light, (0, 0), FINE_SIGMA)
    dx, dy = cv2.Sobel(fine, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(fine, cv2.CV_32F, 0, 1, scale=1 / 8)
    size = np.sqrt(dx * dx + dy * dy) + 1e-6
    along, across = (dx * dx - dy * dy) / size, 2 * dx * dy / size
    return np.stack([np.maximum(part, 0) for part in (along, -along, across, -across)], axis=2)
