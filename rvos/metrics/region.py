"""J, region similarity (Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for VOS", section 4.1)."""

from __future__ import annotations

import numpy as np

from rvos.metrics.bitmaps import count_pixels


def region_similarity(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Words of bitmaps (..., H, S) that broadcast -> (...) float in [0, 1], intersection over union.

    Two empty masks are 1, as in the DAVIS evaluation (pycocotools says 0).
    """
    return share(count_pixels(prediction & truth), count_pixels(prediction | truth))


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; 1 where the whole is 0."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.divide(part, whole, out=np.ones(whole.shape), where=whole > 0)
