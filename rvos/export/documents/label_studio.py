"""Label Studio: one task per frame, with the masks as brush labels, for import as predictions.

A brush label is an RGBA image as run lengths in a bit stream. Written from the documentation of Label Studio ("Brush
labels") and of the encoding that it names, `@thi.ng/rle-pack`. The header: the number of values (32 bits), the size of
a value minus 1 (5 bits), and four sizes of lengths minus 1 (4 bits each). Then for each run: 1, which marks a run
(1 bit), the index of the size of its length (2 bits), its length minus 1, and its value. The tests decode it with
Label Studio's own converter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from image_core.files import output_errors, replacing
from image_core.geometry.rle import decode_rle
from rvos.export.paths import frame_file_name
from rvos.export.recorded import Recorded
from rvos.types import FrameRecord, Target

_LENGTH_BITS = (3, 8, 16, 16)
_VALUE_BITS = 8
_MAX_RUN = 2**16
_FROM_NAME, _TO_NAME = "tag", "image"


def write_label_studio(path: Path, run: Recorded) -> None:
    """Write a list of tasks. `data.image` is the file name of the frame in the format `pictures`: serve that folder as
    local files, or prepend a URL to the names. Raises `OutputError`."""
    with replacing(path) as temporary, output_errors(path), temporary.open("wb") as file:
        for index, records in enumerate(run.read()):
            task = json.dumps(_task(run, records), ensure_ascii=False, separators=(",", ":"))
            file.write((b",\n" if index else b"[\n") + task.encode("utf-8", "replace"))
        file.write(b"\n]\n")


def _task(run: Recorded, records: Sequence[FrameRecord]) -> dict[str, Any]:
    present = [(t, r) for t, r in zip(run.targets, records, strict=True) if r.box_xyxy is not None]
    frame = records[0]
    scores = [record.score for _, record in present]
    return {
        "data": {"image": frame_file_name(frame.frame_index), "frame_index": frame.frame_index, "time_s": frame.time_s},
        "predictions": [
            {
                "model_version": "rvos",
                "score": min(scores, default=0.0),
                "result": [_brush(target, record, run.info.size) for target, record in present],
            }
        ],
    }


def _brush(target: Target, record: FrameRecord, size: tuple[int, int]) -> dict[str, Any]:
    height, width = size
    return {
        "id": f"f{record.frame_index}t{target.label}",
        "type": "brushlabels",
        "from_name": _FROM_NAME,
        "to_name": _TO_NAME,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": record.score,
        "value": {"format": "rle", "rle": brush_rle(decode_rle(record.rle)), "brushlabels": [target.name]},
    }


def brush_rle(mask: np.ndarray) -> list[int]:
    """(H, W) bool -> the bytes of its brush label: 255 in all four channels inside, 0 outside."""
    flat = mask.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], edges])
    lengths = 4 * np.diff(np.concatenate([starts, [flat.size]]))
    head = [(4 * flat.size, 32), (_VALUE_BITS - 1, 5), *((bits - 1, 4) for bits in _LENGTH_BITS)]
    runs = (
        part for start, length in zip(starts, lengths, strict=True) for part in _run(int(length), bool(flat[start]))
    )
    return _pack_bits([*head, *runs])


def _run(length: int, inside: bool) -> Iterator[tuple[int, int]]:
    """A run as (number, bits) pairs. A run that is too long is split."""
    while length > 0:
        part = min(length, _MAX_RUN)
        size_index = next(i for i, bits in enumerate(_LENGTH_BITS) if part <= 2**bits)
        yield from ((1, 1), (size_index, 2), (part - 1, _LENGTH_BITS[size_index]), (255 * inside, _VALUE_BITS))
        length -= part


def _pack_bits(numbers: Sequence[tuple[int, int]]) -> list[int]:
    """The bytes of (number, bits) pairs, highest bit first, padded with zeros."""
    bits = "".join(f"{number:0{size}b}" for number, size in numbers)
    return np.packbits(np.frombuffer(bits.encode(), np.uint8) - ord("0")).tolist()
