"""Which of overlapping boxes to keep."""

from __future__ import annotations

import numpy as np
import torch

from image_core.vision_libraries import nms


def keep_best(boxes_xyxy: np.ndarray, scores: np.ndarray, overlap: float, max_boxes: int) -> np.ndarray:
    """(N, 4) and (N,) of one float type -> positions of the boxes to keep, the best first: none overlaps a better one
    by more than `overlap` (IoU), and there are at most `max_boxes`."""
    return nms(torch.from_numpy(boxes_xyxy), torch.from_numpy(scores), overlap)[:max_boxes].numpy()
