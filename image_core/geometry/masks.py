"""Masks as arrays: resizing, overlap and extent. What is stored on disk (RLE, polygons) is in `rle.py`."""

from __future__ import annotations

import cv2
import numpy as np


def resize_masks(masks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(E, H, W) bool -> (E, h, w) bool: a cell is on when at least half of it is covered.

    Coverage is the area average where a side shrinks and bilinear where it grows. Unlike nearest neighbour, this keeps
    area and position unbiased and loses no thin part by chance. A mask that is not empty stays so: when no cell reaches
    a half, the best covered cells are kept, because an empty mask would turn a target into "no target".
    """
    height, width = masks.shape[1:]
    if (height, width) == size:
        return masks
    resized = np.zeros((len(masks), *size), bool)
    for mask, out in zip(masks, resized, strict=True):
        coverage = resize_image(mask.astype(np.float32), size)
        peak = coverage.max(initial=0.0)
        if peak > 0:
            np.greater_equal(coverage, min(0.5, peak), out=out)
    return resized


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) or (H, W, C), uint8 or float32 -> the same at `size` (height, width).

    Each axis by its own rule: area average where it shrinks (no aliasing), bilinear where it grows.
    """
    height, width = image.shape[:2]
    shrunk = min(size[0], height), min(size[1], width)
    if shrunk != (height, width):
        image = cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA)
    if shrunk != size:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    return image


def overlap(a: np.ndarray, b: np.ndarray) -> tuple[int, int]:
    """(intersection, union) in pixels of two (H, W) bool masks. Raises `ValueError` when they differ in shape."""
    if a.shape != b.shape or a.dtype != np.bool_ or b.dtype != np.bool_:
        raise ValueError(
            f"masks: expected two bool masks of one shape, got {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        )
    intersection = int(np.count_nonzero(a & b))
    return intersection, int(np.count_nonzero(a)) + int(np.count_nonzero(b)) - intersection


def bounding_box(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """The smallest [x0, y0, x1, y1) in pixels around an (H, W) bool mask (x1, y1 exclusive); None when it is empty."""
    columns = np.flatnonzero(mask.any(0))
    if not len(columns):
        return None
    rows = np.flatnonzero(mask.any(1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def nearest(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool -> (h, w) bool by nearest neighbour: the value at the centre of each new pixel."""
    (height, width), (h, w) = mask.shape, size
    if (h, w) == (height, width):
        return mask
    rows = ((np.arange(h) + 0.5) * height / h).astype(int)
    columns = ((np.arange(w) + 0.5) * width / w).astype(int)
    return mask[rows[:, None], columns]
