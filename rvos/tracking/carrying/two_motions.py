"""Whether a pixel moves with an object or with its surroundings.

One affine motion is fitted to the optical flow of each of the two, by iteratively reweighted least squares (the layers
of Wang and Adelson, "Representing Moving Images with Layers", IEEE TIP 1994).
"""

from __future__ import annotations

import cv2
import numpy as np

from rvos.tracking.carrying.box import Box

STEP_PX = 4
ROUNDS = 4
INLIER_PX = 0.5
NOISE_PX = 1.0
"""Accuracy of the flow: differences of motion below this are no evidence."""


def motion_evidence(flow: np.ndarray, carried: np.ndarray, box: Box) -> np.ndarray:
    """(h', w') float32 in [-1, 1] over a box: 1 moves with the object, -1 with its surroundings, 0 if both fit equally.

    flow: (h, w, 2) in pixels; carried: (h, w) probabilities that a pixel belongs to the object rather than its
    surroundings.
    """
    height, width = box.size
    here = (slice(box.top, box.bottom, STEP_PX), slice(box.left, box.right, STEP_PX))
    moved, mine = flow[here].reshape(-1, 2), carried[here].ravel()
    rows, columns = np.mgrid[0:height:STEP_PX, 0:width:STEP_PX].astype(np.float32)
    side = max(height, width)
    basis = np.stack([np.ones(rows.size, np.float32), columns.ravel() / side - 0.5, rows.ravel() / side - 0.5], axis=1)
    object_error, rest_error = (_affine_error(basis, moved, weights) for weights in (mine, 1 - mine))
    evidence = (rest_error - object_error) / (rest_error + object_error + NOISE_PX**2)
    return cv2.resize(evidence.reshape(rows.shape), (width, height), interpolation=cv2.INTER_LINEAR)


def _affine_error(basis: np.ndarray, moved: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N,) float32: squared distance in px of the motion of each pixel from the affine motion of most of the weight."""
    trusted = weights
    error = np.zeros(len(basis), np.float32)
    for _ in range(ROUNDS):
        weighted = basis * trusted[:, None]
        motion = np.linalg.solve(weighted.T @ basis + 1e-3 * np.eye(3, dtype=np.float32), weighted.T @ moved)
        error = ((moved - basis @ motion) ** 2).sum(1)
        trusted = weights / (1 + error / INLIER_PX**2)
    return error
