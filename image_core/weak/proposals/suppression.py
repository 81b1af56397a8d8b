"""Which of overlapping boxes to keep."""

from __future__ import annotations

import numpy as np

from image_core.geometry.boxes import box_iou_matrix


def keep_best(boxes_xyxy: np.ndarray, scores: np.ndarray, overlap: float, most: int) -> np.ndarray:
    """(N, 4) and (N,) -> positions of the boxes to keep, the best first: none overlaps a better one by more than
    `overlap` (IoU), and there are at most `most`."""
    alike = box_iou_matrix(boxes_xyxy, boxes_xyxy) > overlap
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if len(kept) == most:
            break
        if not alike[index, kept].any():
            kept.append(int(index))
    return np.array(kept, np.int64)
