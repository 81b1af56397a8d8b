"""Boxes for VGG Image Annotator (version 2): a CSV file whose shapes and attributes are JSON.

Dutta and Zisserman, "The VIA Annotation Software for Images, Audio and Video", ACM MM 2019; the
columns are those that VIA 2 writes. VIA has no pixel masks, and polygons would not be exact, so only boxes are written.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from image_core.files import output_errors, replacing
from rvos.export.documents.coco import box_xywh
from rvos.export.paths import frame_file_name
from rvos.export.recorded import Recorded
from rvos.types import FrameRecord, Target

_COLUMNS = (
    *("filename", "file_size", "file_attributes", "region_count", "region_id"),
    *("region_shape_attributes", "region_attributes"),
)


def write_via(path: Path, run: Recorded) -> None:
    """Write one row per box. A frame without boxes has no row, since importers of tracks cannot read one. Raises
    `OutputError`."""
    with replacing(path) as temporary, output_errors(path), temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for records in run.read():
            present = [(t, r) for t, r in zip(run.targets, records, strict=True) if r.box_xyxy is not None]
            # In VIA, a file size of -1 means "unknown"; images are then identified by name.
            file_attributes = json.dumps({"frame": records[0].frame_index, "time_s": records[0].time_s})
            frame_columns = [frame_file_name(records[0].frame_index), -1, file_attributes, len(present)]
            table.writerows([*frame_columns, i, *_region(target, record)] for i, (target, record) in enumerate(present))


def _region(target: Target, record: FrameRecord) -> list[str]:
    x, y, width, height = box_xywh(record)
    shape = {"name": "rect", "x": x, "y": y, "width": width, "height": height}
    region_attributes = {"name": target.name, "track": str(target.label), "confidence": f"{record.score:.6f}"}
    return [json.dumps(shape), json.dumps(region_attributes)]
