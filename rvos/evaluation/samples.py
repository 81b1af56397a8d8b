"""The predictions of A2D- and JHMDB-Sentences: RLE masks of single frames, in one file of COCO results.

<folder>/predictions.json is a list of {"image_id", "category_id": 1, "segmentation": {"size", "counts"}, "score"},
where `image_id` is the reference's name of an expression on a frame. An image may have several entries: detections.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from image_core.data.annotation_files import read_json
from image_core.errors import DataError
from image_core.files import write_atomic
from image_core.geometry.rle import decode_rle, encode_rle
from rvos.data.base import VideoDataset
from rvos.data.protocol import ResultsFile
from rvos.data.records import Expression, VideoRecord
from rvos.evaluation.records import Records
from rvos.metrics.samples import Sample, figures_of

PREDICTIONS = "predictions.json"
Detection = tuple[float, dict[str, Any]]
"""Score, COCO RLE."""


@dataclass(frozen=True)
class SampleLayout:
    """Finds the detection with the highest score for an expression on a frame."""

    file: ResultsFile

    def detections(self, root: Path, video: VideoRecord, expression: Expression, index: int) -> list[Detection]:
        """All detections, in the order of the file; [] for none. Raises `DataError` for a file of another format."""
        path = root / PREDICTIONS
        if not path.is_file():
            return []
        return _detections_by_image(path, path.stat().st_mtime_ns).get(self.file.image_id(video, expression, index), [])

    def has(self, root: Path, video: VideoRecord, expression: Expression) -> bool:
        return any(self.detections(root, video, expression, index) for index in expression.scored or ())

    def read(self, root: Path, video: VideoRecord, expression: Expression, index: int) -> np.ndarray | None:
        detections = self.detections(root, video, expression, index)
        if not detections:
            return None
        _, rle = max(
            reversed(detections), key=lambda detection: detection[0]
        )  # of equal scores the last, as in the reference
        return mask_of(rle)


def mask_of(rle: Any) -> np.ndarray:
    """(H, W) bool. Raises `DataError` for an invalid RLE."""
    try:
        return decode_rle(rle).astype(bool)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{PREDICTIONS}: expected a segmentation in compact COCO RLE, got another ({error}): encode it anew"
        ) from error


@lru_cache(maxsize=2)
def _detections_by_image(path: Path, modified_ns: int) -> dict[str, list[Detection]]:
    rows = read_json(path)
    detections: dict[str, list[Detection]] = {}
    try:
        for row in rows:
            score = float(row["score"])
            if not math.isfinite(score):
                raise DataError(
                    f"{path}: score of '{row['image_id']}': expected a finite number, got {score}: correct it"
                )
            detections.setdefault(str(row["image_id"]), []).append((score, row["segmentation"]))
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: expected a list of image_id, segmentation and score, got {error!r}: correct it"
        ) from error
    return detections


def sample_figures(
    dataset: VideoDataset, layout: SampleLayout, predictions: Path
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The published figures of all samples, and the failures. A missing or failed sample counts as IoU 0."""
    samples, failures = [], []
    for video in dataset.videos:
        for expression in video.expressions:
            for position in expression.scored or ():
                sample_id = layout.file.image_id(video, expression, position)
                try:
                    # One sample at a time, so that a failure on one frame does not affect others.
                    truth = encode_rle(next(dataset.truth(video, replace(expression, scored=(position,)))))
                except DataError as error:
                    failures.append(_failure(video, expression, error))
                    samples.append(Sample(sample_id, encode_rle(np.ones((1, 1), bool)), ()))
                    continue
                try:
                    detections = layout.detections(predictions, video, expression, position)
                    samples.append(
                        Sample(sample_id, truth, tuple((_validated(rle), score) for score, rle in detections))
                    )
                except DataError as error:
                    failures.append(_failure(video, expression, error))
                    samples.append(Sample(sample_id, truth, ()))
    figures = figures_of(samples)
    figures.pop("missing")
    return figures, failures


def _validated(rle: dict[str, Any]) -> dict[str, Any]:
    mask_of(rle)
    return rle


def _failure(video: VideoRecord, expression: Expression, error: DataError) -> dict[str, str]:
    return {"video": video.video_id, "expression": expression.expression_id, "error": str(error)}


def write_results(file: ResultsFile, videos: Sequence[VideoRecord], predictions: Path, records: Records) -> None:
    """Write the predictions in the records to one file of COCO results. Raises `OutputError`."""
    rows = []
    for video in videos:
        for expression in video.expressions:
            record = records.load(video, expression)
            if record is None:
                continue
            for position, rle in record.rles.items():
                name = file.image_id(video, expression, int(position))
                score = record.scores[min(int(position), record.frames - 1)]
                rows.append({"image_id": name, "category_id": 1, "segmentation": rle, "score": score})
    write_atomic(predictions / PREDICTIONS, json.dumps(rows).encode())
