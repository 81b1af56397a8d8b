"""What the small run of these tests found, and where."""

from __future__ import annotations

import cv2
import numpy as np

from rvos.types import FrameResult

SIZE = (45, 64)
NAMES = ('a "ring" & <dots>', "corner, single", "never there")


def true_masks(index: int) -> np.ndarray:
    """(3, 45, 64) bool: a ring with an island and loose pixels, which the second overlaps; one pixel that becomes the
    whole picture; nothing. On the third frame nothing at all is there."""
    masks = np.zeros((3, *SIZE), bool)
    if index != 2:
        ring = np.zeros(SIZE, np.uint8)
        cv2.circle(ring, (20 + 3 * index, 20), 14, (1,), 4)
        ring[20, 20 + 3 * index] = ring[0, 0] = ring[-1, -1] = 1
        masks[0] = ring.astype(bool)
        masks[1, 0, 0] = True
        masks[1] |= index == 3
    return masks


def results_of(index: int) -> list[FrameResult]:
    masks = true_masks(index)
    parts = {4: masks[0] & (np.arange(SIZE[1]) < 30), 9: masks[0] & (np.arange(SIZE[1]) >= 30)}
    tracks = ({i: part for i, part in parts.items() if part.any()}, {1: masks[1]} if masks[1].any() else {}, {})
    scores = ((0.9, 0.8), (0.5, 0.5 + 0.1 * index), (0.25, 0.01))
    return [FrameResult(index, index / 10, e, masks[e], *scores[e], track_masks=tracks[e]) for e in range(len(NAMES))]


INDICES = (0, 1, 2, 3, 5)
