"""COCO instances: an image per frame, an annotation per frame and target that is present, the mask as RLE.

Our interpretation of "Data format" on the COCO site: `segmentation` is a compressed RLE with `iscrowd` 0, as in results
of detectors. pycocotools accepts it like polygons, and it is exact, which polygons are not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from image_core.files import write_json
from image_core.geometry.rle import rle_area
from rvos.export.paths import frame_file_name
from rvos.export.recorded import Recorded
from rvos.types import FrameRecord, Target


def write_coco(path: Path, run: Recorded) -> None:
    """Write the document. Raises `OutputError`."""
    write_json(path, coco_document(run))


def coco_document(run: Recorded) -> dict[str, Any]:
    """The document: one category per target (`id` from 1) and one image per frame (`id` is the frame index plus 1). An
    annotation also has `score`, `presence` and `track_ids`, which are not keys of COCO."""
    height, width = run.info.size
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for records in run.read():
        index = records[0].frame_index
        images.append(
            {
                "id": index + 1,
                "file_name": frame_file_name(index),
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
    """One category per target, in order: its `label` and its name."""
    return [{"id": target.label, "name": target.name, "supercategory": ""} for target in run.targets]


def box_xywh(record: FrameRecord) -> list[int]:
    """[x, y, width, height] in pixels of a record whose target is present."""
    assert record.box_xyxy is not None
    x0, y0, x1, y1 = record.box_xyxy
    return [x0, y0, x1 - x0, y1 - y0]


def _annotation(annotation_id: int, target: Target, record: FrameRecord) -> dict[str, Any]:
    return {
        "id": annotation_id,
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
