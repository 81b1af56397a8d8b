"""`frames.jsonl`: one line per frame and target, appended during the run. Equal runs write equal bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from image_core.answer import Candidate
from image_core.files import output_errors
from image_core.geometry.rle import decode_rle, encode_rle, rle_area
from rvos.types import CandidateRecord, FrameRecord, FrameResult, Target, TrackRecord

Box = tuple[int, int, int, int]

# More precise than frame times and probabilities are, less than what may differ between two equal runs.
_DIGITS = 6


def rounded(value: float) -> float:
    """`value` rounded as in `frames.jsonl`, so that a new value and one that was read back are equal."""
    return round(float(value), _DIGITS)


def mask_bytes(mask: np.ndarray) -> np.ndarray:
    """The bool (H, W) `mask` as contiguous uint8 0/1, without a copy if possible."""
    return np.ascontiguousarray(mask).view(np.uint8)


def to_record(result: FrameResult) -> FrameRecord:
    """The record of a result."""
    box, rle = _box_and_rle(result.mask)
    return FrameRecord(
        frame_index=result.frame_index,
        time_s=rounded(result.time_s),
        expression_index=result.expression_index,
        present=box is not None,
        score=rounded(result.score),
        presence=rounded(result.presence),
        box_xyxy=box,
        rle=rle,
        tracks=tuple(TrackRecord(i, *_box_and_rle(mask)) for i, mask in sorted(result.track_masks.items())),
        object_id=result.object_id,
        candidates=None if result.candidates is None else tuple(map(_candidate_record, result.candidates)),
    )


def _candidate_record(candidate: Candidate) -> CandidateRecord:
    return CandidateRecord(rounded(candidate.likelihood), rounded(candidate.quality), encode_rle(candidate.mask))


def to_result(record: FrameRecord) -> FrameResult:
    """The result of a record, up to rounding."""
    return FrameResult(
        frame_index=record.frame_index,
        time_s=record.time_s,
        expression_index=record.expression_index,
        mask=decode_rle(record.rle),
        score=record.score,
        presence=record.presence,
        track_masks={track.track_id: decode_rle(track.rle) for track in record.tracks},
        object_id=record.object_id,
        candidates=None
        if record.candidates is None
        else tuple(Candidate(decode_rle(c.rle), c.likelihood, c.quality) for c in record.candidates),
    )


def to_line(record: FrameRecord) -> bytes:
    """One line of JSON, keys in the order of `FrameRecord`: an object has `object_id` in place of `expression_index`.
    `tracks` follow if the tracker reports some, then `candidates` if they are recorded and the image model ran on the
    frame."""
    is_object = record.object_id is not None
    document: dict[str, Any] = {
        "frame_index": record.frame_index,
        "time_s": record.time_s,
        **({"object_id": record.object_id} if is_object else {"expression_index": record.expression_index}),
        "present": record.present,
        "score": record.score,
        "presence": record.presence,
        "box_xyxy": record.box_xyxy,
        "rle": record.rle,
    }
    if record.tracks:
        document["tracks"] = [vars(track) for track in record.tracks]
    if record.candidates is not None:
        document["candidates"] = [vars(candidate) for candidate in record.candidates]
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def _from_line(line: bytes, target: Target) -> FrameRecord:
    """The record of `target` in a line. Raises `ValueError`, `TypeError`, `KeyError` or `AttributeError` if it is not
    one."""
    document = json.loads(line)
    key, expected = ("expression_index", target.index) if target.object_id is None else ("object_id", target.object_id)
    if document.pop(key) != expected:
        raise ValueError(f"{key}: expected {expected}")
    rle_area(document["rle"])  # raises for a damaged mask: later it could not be computed again
    tracks = tuple(
        TrackRecord(track["track_id"], _box(track["box_xyxy"]), track["rle"]) for track in document.pop("tracks", ())
    )
    box, candidates = _box(document.pop("box_xyxy")), _candidates(document.pop("candidates", None))
    return FrameRecord(
        **document,
        expression_index=target.index,
        box_xyxy=box,
        tracks=tracks,
        object_id=target.object_id,
        candidates=candidates,
    )


def _candidates(documents: Sequence[dict[str, Any]] | None) -> tuple[CandidateRecord, ...] | None:
    return None if documents is None else tuple(CandidateRecord(**document) for document in documents)


def _box(values: Sequence[int] | None) -> Box | None:
    if values is None:
        return None
    x0, y0, x1, y1 = values
    return x0, y0, x1, y1


def _box_and_rle(mask: np.ndarray) -> tuple[Box | None, dict[str, Any]]:
    x, y, width, height = cv2.boundingRect(mask_bytes(mask))
    return (x, y, x + width, y + height) if width else None, encode_rle(mask)


def read_frames(path: Path, targets: Sequence[Target]) -> Iterator[tuple[list[FrameRecord], int]]:
    """The complete frames of a log, in order: the records of all targets, and the byte offset of the end of the frame.

    Stops before the first incomplete frame: a line without its end, a line that is not a record, or records in a wrong
    order. A run cannot be continued from what follows.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        records: list[FrameRecord] = []
        last, end = -1, 0
        for line in file:
            end += len(line)
            if not line.endswith(b"\n"):
                return
            try:
                record = _from_line(line, targets[len(records)])
            except (ValueError, TypeError, KeyError, AttributeError):
                return
            # Frames may be left out by the sampling, but a frame index that does not increase is damage.
            if not (record.frame_index == records[0].frame_index if records else record.frame_index > last):
                return
            records.append(record)
            if len(records) == len(targets):
                yield records, end
                last, records = record.frame_index, []


def count_frames(path: Path, targets: Sequence[Target]) -> int:
    """The number of complete frames in a log; 0 if the file does not exist."""
    return sum(1 for _ in read_frames(path, targets))


def truncate_frames(path: Path, targets: Sequence[Target], frame_count: int) -> None:
    """Truncate a log after its first `frame_count` frames. Raises `ValueError` if it has fewer, and `OutputError`."""
    count = end = 0
    for _, frame_end in read_frames(path, targets):
        if count == frame_count:
            break
        count, end = count + 1, frame_end
    if count < frame_count:
        raise ValueError(f"{path}: expected at least {frame_count} complete frames, got {count}")
    if path.exists():
        with output_errors(path):
            os.truncate(path, end)


class FrameLog:
    """`frames.jsonl` open for appending; every frame is flushed, so that a killed run loses at most one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with output_errors(path):
            self._file = path.open("ab")

    def append(self, records: Sequence[FrameRecord]) -> None:
        """Write the records of one frame. Raises `OutputError`."""
        with output_errors(self._path):
            self._file.write(b"".join(to_line(record) for record in records))
            self._file.flush()

    def close(self) -> None:
        """Close the file; a second time does nothing. Raises `OutputError`."""
        with output_errors(self._path):
            self._file.close()
