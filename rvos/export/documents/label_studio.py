"""Label Studio: a task a frame, with the masks as brushes, ready to be imported as predictions.

The brush is RGBA in run lengths, packed bit by bit. A reading of Label Studio's documentation ("Brush labels") and of
the packing that it names, `@thi.ng/rle-pack`: 32 bits the count of values, 5 the size of a value less 1, four times 4
the sizes of lengths less 1; then for each run 1 bit that says it is one, 2 which size its length has, the length less
1, the value. It is decoded in the tests by Label Studio's own converter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from image_core.files import output_errors, replacing
from image_core.geometry.rle import decode_rle
from rvos.export.paths import picture_name
from rvos.export.recorded import Recorded
from rvos.types import FrameRecord, Target

_LENGTH_BITS = (3, 8, 16, 16)
_VALUE_BITS = 8
_LONGEST = 2**16
_FROM, _TO = "tag", "image"


def write_label_studio(path: Path, run: Recorded) -> None:
    """Write a list of tasks. `data.image` is the name that the format `pictures` gives the frame: serve that folder as
    local files, or put an address before the names. Raises `OutputError`."""
    with replacing(path) as temporary, output_errors(path), temporary.open("wb") as file:
        for index, records in enumerate(run.read()):
            task = json.dumps(_task(run, records), ensure_ascii=False, separators=(",", ":"))
            file.write((b",\n" if index else b"[\n") + task.encode("utf-8", "replace"))
        file.write(b"\n]\n")


def _task(run: Recorded, records: Sequence[FrameRecord]) -> dict[str, Any]:
    there = [(t, r) for t, r in zip(run.targets, records, strict=True) if r.box_xyxy is not None]
    frame = records[0]
    scores = [record.score for _, record in there]
    return {
        "data": {"image": picture_name(frame.frame_index), "frame_index": frame.frame_index, "time_s": frame.time_s},
        "predictions": [
            {
                "model_version": "rvos",
                "score": min(scores, default=0.0),
                "result": [_brush(target, record, run.info.size) for target, record in there],
            }
        ],
    }


def _brush(target: Target, record: FrameRecord, size: tuple[int, int]) -> dict[str, Any]:
    height, width = size
    return {
        "id": f"f{record.frame_index}t{target.label}",
        "type": "brushlabels",
        "from_name": _FROM,
        "to_name": _TO,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": record.score,
        "value": {"format": "rle", "rle": brush_rle(decode_rle(record.rle)), "brushlabels": [target.name]},
    }


def brush_rle(mask: np.ndarray) -> list[int]:
    """(H, W) bool -> the bytes of its brush: 255 in all four channels where it is, 0 elsewhere."""
    flat = mask.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], edges])
    lengths = 4 * np.diff(np.concatenate([starts, [flat.size]]))
    head = [(4 * flat.size, 32), (_VALUE_BITS - 1, 5), *((bits - 1, 4) for bits in _LENGTH_BITS)]
    runs = (
        part for start, length in zip(starts, lengths, strict=True) for part in _run(int(length), bool(flat[start]))
    )
    return _packed([*head, *runs])


def _run(length: int, inside: bool) -> Iterator[tuple[int, int]]:
    """A run as numbers with their sizes in bits; one that is too long for a length is several."""
    while length > 0:
        part = min(length, _LONGEST)
        kind = next(i for i, bits in enumerate(_LENGTH_BITS) if part <= 2**bits)
        yield from ((1, 1), (kind, 2), (part - 1, _LENGTH_BITS[kind]), (255 * inside, _VALUE_BITS))
        length -= part


def _packed(numbers: Sequence[tuple[int, int]]) -> list[int]:
    """(number, bits) one after the other, highest bit first, in bytes; the last is filled up with zeros."""
    bits = "".join(f"{number:0{size}b}" for number, size in numbers)
    return np.packbits(np.frombuffer(bits.encode(), np.uint8) - ord("0")).tolist()
