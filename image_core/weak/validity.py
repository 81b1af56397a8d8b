"""Filters of pseudo labels: whether a predicted mask is good enough to train on, judged by a box.

A pixel (x, y) is in a box where its centre (x + 0.5, y + 0.5) is; boxes are xyxy in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from image_core.geometry.boxes import box_iou_matrix
from image_core.geometry.masks import bounding_box, overlap

EMPTY, NO_BOX, OUTSIDE, OTHER_BOX, PROJECTION = "empty", "no box", "outside the box", "another box", "projection"


@dataclass(frozen=True)
class Verdict:
    """What a filter says of a mask."""

    accepted: bool
    score: float | None = None  # what the filter measured; None where it did not
    reason: str = ""  # why it was not accepted; "" when accepted


class ValidityFilter(Protocol):
    """What decides on a pseudo label."""

    def __call__(self, mask: np.ndarray, box_xyxy: np.ndarray | None) -> Verdict:
        """(H, W) bool and the box (4,) of the expression, if one was found -> the verdict."""
        ...


@dataclass(frozen=True)
class AcceptAll:
    """No filter: any mask that is not empty."""

    def __call__(self, mask: np.ndarray, box_xyxy: np.ndarray | None) -> Verdict:
        return Verdict(True) if mask.any() else Verdict(False, reason=EMPTY)


@dataclass(frozen=True)
class MaskInBox:
    """SafaRi's mask validity filter (MVF): the score is the share of the mask that lies in the box, |M and B| / |M|.

    Published: a mask within the box is accepted.
    """

    threshold: float = 0.9  # proposed; 1.0 is strict containment
    # least IoU of the mask's own box and the box, against masks that are far too small; 0, as published, asks for none
    box_iou: float = 0.5

    def __call__(self, mask: np.ndarray, box_xyxy: np.ndarray | None) -> Verdict:
        own = bounding_box(mask)
        if own is None:
            return Verdict(False, reason=EMPTY)
        if box_xyxy is None:
            return Verdict(False, reason=NO_BOX)
        score = overlap(mask, filled(box_xyxy, mask.shape))[0] / int(np.count_nonzero(mask))
        if score < self.threshold:
            return Verdict(False, score, OUTSIDE)
        if self.box_iou and box_iou_matrix(np.array([own], float), box_xyxy[None])[0, 0] < self.box_iou:
            return Verdict(False, score, OTHER_BOX)
        return Verdict(True, score)


@dataclass(frozen=True)
class ProjectionLoss:
    """Partial-RES' selection: mask and filled box, each projected on both axes by its maximum; two dice losses added.

    The dice has squared denominators and an eps of 1e-5, as published; the sum is the score, in [0, 2], and a mask is
    kept if it is below `threshold` (published: 0.1). All parts of a mask are judged together, a reading: the release
    compares each polygon of a prediction by itself with the whole box, and so rejects nearly all masks of several
    parts.
    """

    threshold: float = 0.1

    def __call__(self, mask: np.ndarray, box_xyxy: np.ndarray | None) -> Verdict:
        if not mask.any():
            return Verdict(False, reason=EMPTY)
        if box_xyxy is None:
            return Verdict(False, reason=NO_BOX)
        box = filled(box_xyxy, mask.shape)
        score = sum(_dice_loss(np.asarray(mask.any(axis)), np.asarray(box.any(axis))) for axis in (0, 1))
        return Verdict(True, score) if score < self.threshold else Verdict(False, score, PROJECTION)


def filled(box_xyxy: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(4,) -> (H, W) bool of `size`: the pixels whose centres are in the box."""
    x0, y0, x1, y1 = box_xyxy
    rows, columns = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    return np.outer((rows >= y0) & (rows < y1), (columns >= x0) & (columns < x1))


def _dice_loss(a: np.ndarray, b: np.ndarray) -> float:
    """Two (N,) bool -> [0, 1]."""
    return 1 - 2 * int((a & b).sum()) / (int(a.sum()) + int(b.sum()) + 1e-5)
