"""Boxes as (..., 4) float arrays, x0 y0 x1 y1.

Continuous pixel coordinates: a pixel (x, y) covers [x, x + 1) x [y, y + 1), so a box of one pixel has area 1.
"""

from __future__ import annotations

import numpy as np


def box_area(boxes_xyxy: np.ndarray) -> np.ndarray:
    """(..., 4) -> (...) square pixels; 0 where a side is not positive."""
    return np.clip(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0, None).prod(-1)


def box_iou_matrix(a_xyxy: np.ndarray, b_xyxy: np.ndarray) -> np.ndarray:
    """(P, 4) and (G, 4) float -> (P, G) in [0, 1]; 0 where both are empty. Sides may be 0 and not below."""
    first, second = a_xyxy[:, None], b_xyxy[None]
    corners = np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])
    shared = box_area(np.concatenate(corners, -1))
    union = box_area(first) + box_area(second) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def clip_boxes(boxes_xyxy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(..., 4) cut to an image of `size` (height, width)."""
    height, width = size
    return np.clip(boxes_xyxy, 0, np.array([width, height, width, height], boxes_xyxy.dtype))
