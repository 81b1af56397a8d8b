"""COCO's instances: a picture a frame, an annotation for each target that is on it, the mask as RLE.

Reading of "Data format" on COCO's site: `segmentation` is the compact RLE, with `iscrowd` 0, as detectors' results
have it; pycocotools takes it like polygons, and no pixel is lost. Polygons would lose some.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from image_core.files import write_json
from image_core.geometry.rle import rle_area
from rvos.export.paths import picture_name
from rvos.export.recorded import Recorded
from rvos.types import FrameRecord, Target


def write_coco(path: Path, run: Recorded) -> None:
    """Write the document. Raises `OutputError`."""
    write_json(path, coco_document(run))


def coco_document(run: Recorded) -> dict[str, Any]:
    """The document: a category a target (`id` from 1), an image a frame (`id` is the frame's index plus 1), `score`
    and `presence` beside COCO's own keys, `track_ids` where the tracker kept several apart."""
    height, width = run.info.size
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for records in run.read():
        index = records[0].frame_index
        images.append(
            {
                "id": index + 1,
                "file_name": picture_name(index),
                "height": height,
                "width": width,
                "frame_index": index,
                "time_s": records[0].time_s,
            }
        )
        for target, record in zip(run.targets, records, strict=True):
            if record.box_xyxy is not None:
                annotations.append(_annotation(len(annotations) + 1, target, record))
    return {
        "info": {"description": run.name, "version": "1.0"},
        "licenses": [],
        "categories": categories(run),
        "images": images,
        "annotations": annotations,
    }


def categories(run: Recorded) -> list[dict[str, Any]]:
    """A category a target, in order: its `label` and its name."""
    return [{"id": target.label, "name": target.name, "supercategory": ""} for target in run.targets]


def box_xywh(record: FrameRecord) -> list[int]:
    """[x, y, width, height] in pixels of a record that is present."""
    assert record.box_xyxy is not None
    x0, y0, x1, y1 = record.box_xyxy
    return [x0, y0, x1 - x0, y1 - y0]


def _annotation(identity: int, target: Target, record: FrameRecord) -> dict[str, Any]:
    return {
        "id": identity,
        "image_id": record.frame_index + 1,
        "category_id": target.label,
        "segmentation": record.rle,
        "area": rle_area(record.rle),
        "bbox": box_xywh(record),
        "iscrowd": 0,
        "score": record.score,
        "presence": record.presence,
        "track_ids": [track.track_id for track in record.tracks if track.box_xyxy is not None],
    }
