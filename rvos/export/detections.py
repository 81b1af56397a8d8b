"""The results of a frame as arguments for classes of other libraries: `supervision.Detections`, `fiftyone.Detection`.

Neither library is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from image_core.geometry.rle import decode_rle
from rvos.types import FrameRecord, Target


def supervision_fields(
    records: Sequence[FrameRecord], targets: Sequence[Target], size: tuple[int, int]
) -> dict[str, Any]:
    """The E records of a frame of `size` (height, width) -> the arguments of `supervision.Detections` for the
    N targets that are present.

    >>> detections = supervision.Detections(**supervision_fields(records, recorded.targets, recorded.info.size))

    `xyxy` (N, 4) float pixels, `mask` (N, H, W) bool, `confidence` (N,) the score, `class_id` (N,) the target's index,
    `tracker_id` (N,) the target's label, which stays from frame to frame; `data["class_name"]` (N,) the names.
    """
    present = [(t, r, r.box_xyxy) for t, r in zip(targets, records, strict=True) if r.box_xyxy is not None]
    masks = [decode_rle(record.rle) for _, record, _ in present]
    return {
        "xyxy": np.array([box for _, _, box in present], np.float64).reshape(-1, 4),
        "mask": np.array(masks, bool).reshape(-1, *size),
        "confidence": np.array([record.score for _, record, _ in present], np.float64),
        "class_id": np.array([target.index for target, _, _ in present], int),
        "tracker_id": np.array([target.label for target, _, _ in present], int),
        "data": {"class_name": np.array([target.name for target, _, _ in present], str)},
    }


def fiftyone_fields(
    records: Sequence[FrameRecord], targets: Sequence[Target], size: tuple[int, int]
) -> list[dict[str, Any]]:
    """The E records of a frame of `size` (height, width) -> the arguments of a `fiftyone.Detection` for each
    target that is present.

    >>> for records in recorded.read():
    ...     found = [fiftyone.Detection(**f) for f in fiftyone_fields(records, recorded.targets, recorded.info.size)]
    ...     sample.frames[records[0].frame_index + 1] = fiftyone.Frame(masks=fiftyone.Detections(detections=found))

    FiftyOne counts frames from 1. `bounding_box` is [x, y, width, height] as fractions of the image, `mask` covers
    the box, `index` is the target's label.
    """
    height, width = size
    fields = []
    for target, record in zip(targets, records, strict=True):
        if record.box_xyxy is None:
            continue
        x0, y0, x1, y1 = record.box_xyxy
        fields.append(
            {
                "label": target.name,
                "bounding_box": [x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height],
                "mask": decode_rle(record.rle)[y0:y1, x0:x1],
                "confidence": record.score,
                "index": target.label,
            }
        )
    return fields
