"""The motion of the camera between two frames: the similarity transform that fits most of the optical flow.

Objects that move by themselves are outliers (RANSAC, Fischler and Bolles, 1981, as OpenCV computes it), as long as they
fill less than half of the image.
"""

from __future__ import annotations

import cv2
import numpy as np

from rvos.tracking.carrying.appearance import flow_trust, work_flow, work_size
from rvos.view.frame_view import View

GRID_PX = 8
"""Distance between the pixels whose flow is used, at work size."""
MIN_TRUST = 0.3
"""Flow that is trusted less is not used."""
MIN_POINTS = 12
"""With fewer points of trusted flow the camera counts as still."""
INLIER_PX = 0.7
"""Largest distance between the flow of a point and the transform for the point to be an inlier, at work size."""

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def camera_motion(view: View) -> np.ndarray:
    """(2, 3) float64: the similarity transform from the frame before to this one of points (x, y, 1) that do not move
    by themselves, in pixels of the work size. Ask by `view.once(camera_motion)`.

    The identity on the first frame, across a cut, and if too little of the flow can be trusted.
    """
    if view.before is None or view.cut:
        return IDENTITY
    height, width = work_size(view)
    rows, columns = np.mgrid[GRID_PX // 2 : height : GRID_PX, GRID_PX // 2 : width : GRID_PX]
    trusted = view.once(flow_trust)[rows, columns] > MIN_TRUST
    now = np.stack([columns, rows], axis=-1)[trusted].astype(np.float32)
    if len(now) < MIN_POINTS:
        return IDENTITY
    before = now + view.once(work_flow)[rows, columns][trusted]
    cv2.setRNGSeed(0)  # the same frames give the same motion
    moved, _ = cv2.estimateAffinePartial2D(before, now, method=cv2.RANSAC, ransacReprojThreshold=INLIER_PX)
    return IDENTITY if moved is None else moved


def zoom_of(motion: np.ndarray) -> float:
    """The scale of a similarity transform: above 1 everything becomes larger."""
    return float(np.hypot(motion[0, 0], motion[1, 0]))


def roll_of(motion: np.ndarray) -> float:
    """The rotation of a similarity transform in radians, clockwise as seen."""
    return float(np.arctan2(motion[1, 0], motion[0, 0]))


def transform_point(motion: np.ndarray, x: float, y: float) -> tuple[float, float]:
    """The point (x, y) after a transform."""
    new_x, new_y = motion @ (x, y, 1.0)
    return float(new_x), float(new_y)
