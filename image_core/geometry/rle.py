"""Masks as they are stored: COCO run lengths and polygons. The only file that needs pycocotools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """(H, W) bool -> {"size": [H, W], "counts": str}, COCO's compact form, ready for JSON. Lossless."""
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"mask: came {mask.dtype} {mask.shape}, wanted bool (H, W)")
    counts: Any = coco.encode(np.asfortranarray(mask.view(np.uint8)))["counts"]
    return {"size": list(mask.shape), "counts": counts.decode("ascii")}


def decode_rle(rle: Mapping[str, Any]) -> np.ndarray:
    """{"size": [H, W], "counts": compact str or list of run lengths} -> (H, W) bool.

    Raises `ValueError` when the runs do not add up to H x W: pycocotools fills what is missing with whatever lies in
    memory and says nothing, which is why the runs are unpacked here.
    """
    size: Any = rle.get("size")
    counts: Any = rle.get("counts")
    if not _is_size(size) or not isinstance(counts, (str, bytes, list)):
        raise ValueError(
            f"RLE: came size {size!r} and counts of {type(counts).__name__}, wanted [H, W] and str or list"
        )
    height, width = size
    runs = _unpack(counts) if not isinstance(counts, list) else counts
    if not all(isinstance(run, int) and run >= 0 for run in runs) or sum(runs) != height * width:
        raise ValueError(f"RLE: came runs that cover other than {height} x {width} pixels, wanted a sound mask")
    values = np.arange(len(runs)) % 2 == 1
    columns = np.repeat(values, runs).reshape(width, height)
    return cv2.transpose(columns.view(np.uint8)).view(np.bool_).reshape(height, width)


def decode_polygons(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """Polygons [x0, y0, x1, y1, ...] in pixels -> (H, W) bool, the logical OR of all (COCO's rasteriser).

    Overlapping parts stay filled: adding the parts, as the REFER toolkit does, makes holes where they overlap.
    Raises `ValueError` on a polygon of fewer than three points or with an odd count of numbers.
    """
    for polygon in polygons:
        # four numbers would be read as a box, and fewer would read past the end
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"polygon: came {len(polygon)} numbers, wanted an even count of at least 6")
    if not polygons:
        return np.zeros(size, bool)
    rows: Any = [list(map(float, polygon)) for polygon in polygons]
    union: Any = coco.merge(coco.frPyObjects(rows, *size))
    return decode_rle({"size": size, "counts": union["counts"]})


def _is_size(size: Any) -> bool:
    return isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(s, int) and s > 0 for s in size)


def _unpack(counts: str | bytes) -> list[int]:
    """COCO's text form -> run lengths: 5 bits a character, the sixth says "more", from the third run on differences."""
    data = counts.encode("ascii", "replace") if isinstance(counts, str) else counts
    runs: list[int] = []
    value = shift = 0
    for byte in data:
        code = byte - 48
        if not 0 <= code < 64:
            raise ValueError(f"RLE: came the byte {byte} among the counts, wanted COCO's compact form")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("RLE: came counts cut off in the middle of a run, wanted COCO's compact form")
    return runs
