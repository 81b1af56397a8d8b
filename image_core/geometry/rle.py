"""Masks as they are stored: COCO run lengths and polygons. The one codec of both packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco

_MAX_SIDES_AWAY = 10
"""Sides of the image that a point of a polygon may lie away; NaN and infinity lie farther."""
_MAX_PIXELS = 2**28
_LONGEST_RUN = 7
"""Characters of a run: 35 bits, more than COCO's runs of 32 bits need."""


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """(H, W) bool -> {"size": [H, W], "counts": str}, COCO's compact form, ready for JSON. Lossless."""
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"mask: expected bool (H, W), got {mask.dtype} {mask.shape}")
    # COCO counts down the columns: a transpose by OpenCV is 5 times faster than NumPy's change of order.
    columns = np.asarray(cv2.transpose(np.ascontiguousarray(mask).view(np.uint8)), np.uint8)
    counts: Any = coco.encode(columns.T)["counts"]
    return {"size": list(mask.shape), "counts": counts.decode("ascii")}


def decode_rle(rle: Mapping[str, Any]) -> np.ndarray:
    """{"size": [H, W], "counts": compact str or list of run lengths} -> (H, W) bool.

    Raises `ValueError` when the runs do not add up to H x W: pycocotools fills what is missing with whatever lies in
    memory and says nothing, which is why the runs are unpacked here.
    """
    runs, (height, width) = _runs(rle)
    values = np.arange(len(runs)) % 2 == 1
    columns = np.repeat(values, runs).reshape(width, height)
    return cv2.transpose(columns.view(np.uint8)).view(np.bool_).reshape(height, width)


def rle_area(rle: Mapping[str, Any]) -> int:
    """Pixels of a mask in run lengths. Raises `ValueError` where `decode_rle` does."""
    runs, _ = _runs(rle)
    return int(runs[1::2].sum())


def decode_polygons(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """Polygons [x0, y0, x1, y1, ...] in pixels -> (H, W) bool, the logical OR of all (COCO's rasteriser).

    Overlapping parts stay filled: adding the parts, as the REFER toolkit does, makes holes where they overlap.
    Raises `ValueError` on a polygon of fewer than three points or with an odd count of numbers.
    """
    for polygon in polygons:
        # four numbers would be read as a box, and fewer would read past the end
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"polygon: expected an even count of at least 6 numbers, got {len(polygon)}")
        # The rasteriser walks along every edge, however long.
        if not all(abs(float(number)) <= _MAX_SIDES_AWAY * max(size) for number in polygon):
            raise ValueError(f"polygon: expected pixels of a picture of {size}, got numbers far outside, or none")
    if not polygons:
        return np.zeros(size, bool)
    rows: Any = [list(map(float, polygon)) for polygon in polygons]
    union: Any = coco.merge(coco.frPyObjects(rows, *size))
    return decode_rle({"size": size, "counts": union["counts"]})


def _runs(rle: Mapping[str, Any]) -> tuple[np.ndarray, tuple[int, int]]:
    """int64 run lengths down the columns, of background and mask in turn, that fill (H, W); and (H, W)."""
    size: Any = rle.get("size")
    counts: Any = rle.get("counts")
    if not _is_size(size) or not isinstance(counts, (str, bytes, list)):
        raise ValueError(
            f"RLE: expected size [H, W] and counts of str or list, got size {size!r} and counts of "
            f"{type(counts).__name__}"
        )
    height, width = size
    if height * width > _MAX_PIXELS:
        raise ValueError(f"RLE: expected a picture of at most {_MAX_PIXELS} pixels, got {height} x {width}")
    if isinstance(counts, list) and not all(isinstance(run, int) and 0 <= run <= height * width for run in counts):
        raise ValueError(f"RLE: expected whole numbers up to {height} x {width} as runs, got others")
    runs = np.array(counts, np.int64) if isinstance(counts, list) else _unpacked(counts)
    if np.any(runs < 0) or runs.sum() != height * width:
        raise ValueError(f"RLE: expected runs that cover {height} x {width} pixels, got {runs.sum()}")
    return runs, (height, width)


def _is_size(size: Any) -> bool:
    return isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(s, int) and s > 0 for s in size)


def _unpacked(counts: str | bytes) -> np.ndarray:
    """COCO's text form -> run lengths: 5 bits a character, the sixth says "more", from the third run on differences."""
    data = counts.encode("ascii", "replace") if isinstance(counts, str) else counts
    codes = np.frombuffer(data, np.uint8).astype(np.int64) - 48
    if np.any((codes < 0) | (codes >= 64)):
        raise ValueError("RLE: expected counts in COCO's compact form, got other characters among them")
    ends = np.flatnonzero(codes & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    lengths = ends - starts + 1
    if not len(ends) or ends[-1] != len(codes) - 1 or lengths.max() > _LONGEST_RUN:
        raise ValueError("RLE: expected counts in COCO's compact form, got some that end within a run")
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, lengths))
    values = np.add.reduceat((codes & 31) << shifts, starts)
    values -= np.where(codes[ends] & 16, 1 << (5 * lengths), 0)
    values[1::2], values[2::2] = np.cumsum(values[1::2]), np.cumsum(values[2::2])
    return values
