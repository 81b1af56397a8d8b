"""The colour palette of id maps, as in PASCAL VOC and DAVIS."""

from __future__ import annotations

import numpy as np


def davis_palette() -> np.ndarray:
    """(256, 3) uint8, the colour of each id in the PNGs of PASCAL VOC and DAVIS: the bits of the id are distributed to
    R, G and B in turn, highest colour bit first."""
    ids = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((ids >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return palette
