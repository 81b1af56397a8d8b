"""How the camera moved between two frames: the one similarity that most of the picture's optical flow agrees on.

What moves by itself is out-voted (RANSAC, Fischler and Bolles, 1981, as OpenCV computes it), as long as it fills less
than half of the picture.
"""

from __future__ import annotations

import cv2
import numpy as np

from rvos.tracking.carrying.appearance import flow_trust, work_flow, work_size
from rvos.view.frame_view import View

GRID_PX = 8
"""Distance of the pixels that vote, at work size."""
LEAST_TRUST = 0.3
"""Flow that is trusted less has no vote."""
LEAST_VOTES = 12
INLIER_PX = 0.7

STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def camera_motion(view: View) -> np.ndarray:
    """(2, 3) float64: where a point (x, y, 1) of what does not move by itself has come from the frame before to this
    one, in pixels of the work size. Ask by `view.once(camera_motion)`.

    Nothing moves on the first frame, across a cut, and where too little of the flow can be trusted.
    """
    if view.before is None or view.cut:
        return STILL
    height, width = work_size(view)
    rows, columns = np.mgrid[GRID_PX // 2 : height : GRID_PX, GRID_PX // 2 : width : GRID_PX]
    trusted = view.once(flow_trust)[rows, columns] > LEAST_TRUST
    now = np.stack([columns, rows], axis=-1)[trusted].astype(np.float32)
    if len(now) < LEAST_VOTES:
        return STILL
    before = now + view.once(work_flow)[rows, columns][trusted]
    cv2.setRNGSeed(0)  # the same frames, the same motion
    moved, _ = cv2.estimateAffinePartial2D(before, now, method=cv2.RANSAC, ransacReprojThreshold=INLIER_PX)
    return STILL if moved is None else moved


def zoom_of(motion: np.ndarray) -> float:
    """How many times larger everything becomes by a similarity."""
    return float(np.hypot(motion[0, 0], motion[1, 0]))


def roll_of(motion: np.ndarray) -> float:
    """By how much it turns everything, in radians, clockwise as seen."""
    return float(np.arctan2(motion[1, 0], motion[0, 0]))


def moved_point(motion: np.ndarray, x: float, y: float) -> tuple[float, float]:
    """Where it brings a point."""
    new_x, new_y = motion @ (x, y, 1.0)
    return float(new_x), float(new_y)
