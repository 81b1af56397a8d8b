"""Tracks of boxes as VGG Image Annotator (version 2) imports them: a CSV whose shapes and attributes are JSON.

Dutta and Zisserman, "The VIA Annotation Software for Images, Audio and Video", ACM MM 2019; columns as VIA 2 writes
them. VIA has no masks of pixels, and its polygons would lose some: boxes are what is exact.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from image_core.files import output_errors, replacing
from rvos.export.documents.coco import box_xywh
from rvos.export.paths import picture_name
from rvos.export.recorded import Recorded
from rvos.types import FrameRecord, Target

_COLUMNS = (
    *("filename", "file_size", "file_attributes", "region_count", "region_id"),
    *("region_shape_attributes", "region_attributes"),
)


def write_via(path: Path, run: Recorded) -> None:
    """Write a row a box: a frame on which nothing is has none, which readers of tracks would stumble over. Raises
    `OutputError`."""
    with replacing(path) as temporary, output_errors(path), temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for records in run.read():
            there = [(t, r) for t, r in zip(run.targets, records, strict=True) if r.box_xyxy is not None]
            # A size of -1 is VIA's for "not known": it finds pictures by their name alone.
            about = json.dumps({"frame": records[0].frame_index, "time_s": records[0].time_s})
            begin = [picture_name(records[0].frame_index), -1, about, len(there)]
            table.writerows([*begin, i, *_region(target, record)] for i, (target, record) in enumerate(there))


def _region(target: Target, record: FrameRecord) -> list[str]:
    x, y, width, height = box_xywh(record)
    shape = {"name": "rect", "x": x, "y": y, "width": width, "height": height}
    said = {"name": target.name, "track": str(target.label), "confidence": f"{record.score:.6f}"}
    return [json.dumps(shape), json.dumps(said)]
