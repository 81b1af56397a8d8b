"""Dense optical flow between two images, and warping along it.

DIS flow (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016), as OpenCV computes it.
"""

from __future__ import annotations

import cv2
import numpy as np

from rvos.view.frame_view import View

_MIN_SIDE_PX = 32
"""Smallest side that DIS can process: below, it rejects some sizes and reads out of bounds on others, such as 16 x 90.
A smaller image is padded by repeating its border."""


def flow_between(now: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(h, w, 2) float32, x and y in pixels: the pixel p of `now` was (or will be) at p + flow[p] in `other`.

    now, other: (h, w, 3) uint8 RGB of one size.
    """
    if now.shape != other.shape:
        raise ValueError(f"flow: expected images of one size, got {now.shape} and {other.shape}")
    height, width = now.shape[:2]
    padding = (0, max(0, _MIN_SIDE_PX - height), 0, max(0, _MIN_SIDE_PX - width))
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (now, other)]
    grey = [cv2.copyMakeBorder(image, *padding, cv2.BORDER_REPLICATE) for image in grey]
    # One per call: it has buffers, so threads must not share it.
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = dis.calc(grey[0], grey[1], None)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return flow[:height, :width]


def flow_to_before(view: View) -> np.ndarray:
    """(h, w, 2): from each pixel of `view.small_image` to where it was on the frame before. Call as
    `view.once(flow_to_before)`.

    Zeros on the first frame and across a cut.
    """
    if view.before is None or view.cut:
        return np.zeros((*view.small_image.shape[:2], 2), np.float32)
    return flow_between(view.small_image, view.before)


def flow_from_before(view: View) -> np.ndarray:
    """(h, w, 2): from each pixel of the frame before to where it is on `view.small_image`. Call as
    `view.once(flow_from_before)`.

    Zeros on the first frame and across a cut.
    """
    if view.before is None or view.cut:
        return np.zeros((*view.small_image.shape[:2], 2), np.float32)
    return flow_between(view.before, view.small_image)


def warp(values: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Warp (h, w) or (h, w, C) float32 `values` of the other image to this one: out[p] = values[p + flow[p]],
    bilinear, 0 outside."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(values, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
