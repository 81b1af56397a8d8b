"""A perfect image model, and the same with one kind of fault, whose cost is known."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable

import cv2
import numpy as np

from image_core.answer import Candidate, MaskAnswer

SHARE = 0.3
"""Share of the frames with the fault; for the fault `another` it is `SHARE_OF_OTHERS`."""
SHARE_OF_OTHERS = 0.2
ERODED = 0.12
"""Width of the border that is removed, in sqrt(area) of the mask."""
FLOODED = 0.25
"""Width of the border that is added, in sqrt(area) of the mask."""

Fault = Callable[[np.ndarray, np.random.Generator], MaskAnswer]
"""The answer of one frame, given its true mask (H, W) bool."""


def right(truth: np.ndarray) -> MaskAnswer:
    """The true mask, with presence 0 if it is empty."""
    return _seen(truth) if truth.any() else MaskAnswer((), 0.05, 0.0)


def missing(truth: np.ndarray, random: np.random.Generator) -> MaskAnswer:
    """The target is not found."""
    return MaskAnswer((), 0.05, 0.0) if random.random() < SHARE else right(truth)


def another(truth: np.ndarray, random: np.random.Generator) -> MaskAnswer:
    """Another region is taken for the target."""
    if not truth.any() or random.random() >= SHARE_OF_OTHERS:
        return right(truth)
    return _seen(elsewhere(truth))


def eroded(truth: np.ndarray, random: np.random.Generator) -> MaskAnswer:
    """The inner part of the target."""
    if not truth.any() or random.random() >= SHARE:
        return right(truth)
    smaller = cv2.erode(truth.astype(np.uint8), _disc(ERODED * _side(truth)), borderValue=0) > 0
    return _seen(smaller if smaller.any() else truth)


def flooded(truth: np.ndarray, random: np.random.Generator) -> MaskAnswer:
    """The target with much of its surroundings."""
    if not truth.any() or random.random() >= SHARE:
        return right(truth)
    return _seen(cv2.dilate(truth.astype(np.uint8), _disc(FLOODED * _side(truth))) > 0)


def false_alarm(truth: np.ndarray, random: np.random.Generator) -> MaskAnswer:
    """On frames without the target a region is sometimes taken for it, with presence 0.8."""
    if truth.any() or random.random() >= SHARE:
        return right(truth)
    height, width = truth.shape
    region = np.zeros_like(truth)
    top, left = int(random.integers(height // 2)), int(random.integers(width // 2))
    region[top : top + height // 4, left : left + width // 4] = True
    return _seen(region, presence=0.8)


FAULTS: dict[str, Fault] = {
    "right": lambda truth, random: right(truth),
    "missing": missing,
    "another": another,
    "eroded": eroded,
    "flooded": flooded,
    "false_alarm": false_alarm,
}


def answers(fault: str, truth: np.ndarray, seed: int) -> list[MaskAnswer]:
    """T answers of a model with this fault, the same for the same seed. truth: (T, H, W) bool."""
    random = np.random.default_rng([seed, zlib.crc32(fault.encode())])
    return [FAULTS[fault](mask, random) for mask in truth]


def elsewhere(truth: np.ndarray) -> np.ndarray:
    """The mask mirrored at the centre of the image; shifted by half an image if the mirrored mask overlaps it."""
    mirrored = truth[::-1, ::-1].copy()
    if np.count_nonzero(mirrored & truth) > 0.1 * np.count_nonzero(truth):
        mirrored = np.roll(truth, truth.shape[1] // 2, axis=1)
    return mirrored & ~truth if (mirrored & ~truth).any() else ~truth


def _seen(mask: np.ndarray, presence: float = 0.95) -> MaskAnswer:
    return MaskAnswer((Candidate(mask, 0.9, 0.9),), presence, 0.81)


def _side(mask: np.ndarray) -> float:
    return math.sqrt(np.count_nonzero(mask))


def _disc(radius: float) -> np.ndarray:
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
