"""A table for spreadsheets and pandas: boxes, scores and tracks."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from image_core.files import output_errors, replacing
from image_core.geometry.rle import rle_area
from rvos.export.recorded import Recorded
from rvos.types import FrameRecord, Target

COLUMNS = (
    *("frame_index", "time_s", "target_id", "target", "track_id", "present", "score", "presence"),
    *("x0", "y0", "x1", "y1", "area_px"),
)


def write_boxes_csv(path: Path, run: Recorded) -> None:
    """Write one row per frame and target, and one more for each of its tracks, with `track_id`.

    Boxes are [x0, y0, x1, y1) in pixels, empty if the target is absent. Masks are not included. Raises `OutputError`.
    """
    with replacing(path) as temporary, output_errors(path), temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for records in run.read():
            for target, record in zip(run.targets, records, strict=True):
                table.writerows(_rows(target, record))


def _rows(target: Target, record: FrameRecord) -> Iterator[list[object]]:
    name = target.name.encode("utf-8", "replace").decode()
    frame_columns = [record.frame_index, record.time_s, target.label, name]
    scores = [record.score, record.presence]
    parts = [("", record.box_xyxy, record.rle), *((t.track_id, t.box_xyxy, t.rle) for t in record.tracks)]
    for track_id, box, rle in parts:
        box_columns = [*box, rle_area(rle)] if box is not None else ["", "", "", "", 0]
        yield [*frame_columns, track_id, int(box is not None), *scores, *box_columns]
