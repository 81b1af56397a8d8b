"""Boxes as (..., 4) float arrays: xyxy = x0 y0 x1 y1, xywh = x0 y0 width height (COCO), cxcywh = centre and size.

Continuous pixel coordinates: a pixel (x, y) covers [x, x + 1) x [y, y + 1), so a box of one pixel has area 1.
"""

from __future__ import annotations

import numpy as np


def xywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) x0 y0 width height -> (..., 4) x0 y0 x1 y1."""
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], -1)


def xyxy_to_xywh(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) x0 y0 x1 y1 -> (..., 4) x0 y0 width height."""
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], -1)


def xyxy_to_cxcywh(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) x0 y0 x1 y1 -> (..., 4) centre x, centre y, width, height."""
    return np.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], -1)


def cxcywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) centre x, centre y, width, height -> (..., 4) x0 y0 x1 y1."""
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], -1)


def box_area(boxes_xyxy: np.ndarray) -> np.ndarray:
    """(..., 4) -> (...) square pixels; 0 where a side is not positive."""
    return np.clip(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0, None).prod(-1)


def box_iou_matrix(a_xyxy: np.ndarray, b_xyxy: np.ndarray) -> np.ndarray:
    """(P, 4) and (G, 4) -> (P, G) in [0, 1]; 0 where both are empty."""
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    intersection = np.clip(high - low, 0, None).prod(-1).astype(np.float64)
    union = box_area(a_xyxy)[:, None] + box_area(b_xyxy)[None] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def clip_boxes(boxes_xyxy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(..., 4) cut to a picture of `size` (height, width)."""
    height, width = size
    return np.clip(boxes_xyxy, 0, np.array([width, height, width, height], boxes_xyxy.dtype))
