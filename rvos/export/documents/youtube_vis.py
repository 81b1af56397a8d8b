"""YouTube-VIS: one video, one annotation per target, with a mask, a box and an area for every frame, or null.

Yang, Fan, Xu, "Video Instance Segmentation", ICCV 2019, and its API `ytvos`. One category per target, as in `coco.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from image_core.files import write_json
from image_core.geometry.rle import rle_area
from rvos.export.documents.coco import box_xywh, categories
from rvos.export.paths import frame_file_name
from rvos.export.recorded import Recorded
from rvos.types import FrameRecord, Target


def write_youtube_vis(path: Path, run: Recorded) -> None:
    """Write the document. Raises `OutputError`."""
    write_json(path, youtube_vis_document(run))


def youtube_vis_document(run: Recorded) -> dict[str, Any]:
    """The document: lists over the T frames in `file_names`, `segmentations`, `bboxes`, `areas`; a target that is
    absent on all frames has an annotation of nulls. `score` is the mean over the frames on which it is present."""
    height, width = run.info.size
    frames = list(run.read())
    names = [f"{run.name}/{frame_file_name(records[0].frame_index)}" for records in frames]
    return {
        "info": {"description": run.name, "version": "1.0"},
        "licenses": [],
        "videos": [{"id": 1, "width": width, "height": height, "length": len(names), "file_names": names}],
        "categories": categories(run),
        "annotations": [
            _annotation(target, [records[target.index] for records in frames], (height, width))
            for target in run.targets
        ],
    }


def _annotation(target: Target, records: list[FrameRecord], size: tuple[int, int]) -> dict[str, Any]:
    present = [record.box_xyxy is not None for record in records]
    scores = [record.score for record, is_present in zip(records, present, strict=True) if is_present]
    return {
        "id": target.label,
        "video_id": 1,
        "category_id": target.label,
        "iscrowd": 0,
        "height": size[0],
        "width": size[1],
        "length": len(records),
        "segmentations": [r.rle if is_present else None for r, is_present in zip(records, present, strict=True)],
        "bboxes": [box_xywh(r) if is_present else None for r, is_present in zip(records, present, strict=True)],
        "areas": [rle_area(r.rle) if is_present else None for r, is_present in zip(records, present, strict=True)],
        "score": round(sum(scores) / len(scores), 6) if scores else 0.0,
    }
