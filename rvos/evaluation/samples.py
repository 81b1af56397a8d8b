"""The predictions of A2D- and JHMDB-Sentences: run lengths of single frames, in one file of COCO results.

<folder>/predictions.json is a list of {"image_id", "category_id": 1, "segmentation": {"size", "counts"}, "score"},
where `image_id` is the reference's name of a sentence on a frame. Several entries of one image are several guesses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from image_core.errors import DataError
from image_core.geometry.rle import decode_rle, encode_rle
from rvos.data import Expression, VideoDataset, VideoRecord
from rvos.data.base import read_json
from rvos.evaluation.records import Records
from rvos.export.files import write_atomic
from rvos.metrics.sentences import Sample, sentence_figures

PREDICTIONS = "predictions.json"
Guess = tuple[float, dict[str, Any]]
"""Score, and COCO run lengths."""


class NamesImages(Protocol):
    """A dataset whose scored frames have names of their own."""

    def image_id(self, video: VideoRecord, expression: Expression, position: int) -> str:
        """The reference's name of an expression on the frame at a position."""
        ...


@dataclass(frozen=True)
class SampleLayout:
    """Finds the best guess of an expression on a frame."""

    dataset: NamesImages

    def guesses(self, root: Path, video: VideoRecord, expression: Expression, index: int) -> list[Guess]:
        """All guesses, in the order of the file; [] for none. Raises `DataError` for a file that is no COCO results."""
        path = root / PREDICTIONS
        if not path.is_file():
            return []
        return _guesses(path, path.stat().st_mtime_ns).get(self.dataset.image_id(video, expression, index), [])

    def has(self, root: Path, video: VideoRecord, expression: Expression) -> bool:
        return any(self.guesses(root, video, expression, index) for index in expression.scored or ())

    def read(self, root: Path, video: VideoRecord, expression: Expression, index: int) -> np.ndarray | None:
        guesses = self.guesses(root, video, expression, index)
        if not guesses:
            return None
        _, rle = max(reversed(guesses), key=lambda guess: guess[0])  # of equal scores the last, as the reference
        return mask_of(rle)


def mask_of(rle: dict[str, Any]) -> np.ndarray:
    """(H, W) bool. Raises `DataError` for run lengths that are none."""
    try:
        return decode_rle(rle).astype(bool)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{PREDICTIONS}: came a segmentation that is no COCO run lengths ({error})") from error


@lru_cache(maxsize=2)
def _guesses(path: Path, modified_ns: int) -> dict[str, list[Guess]]:
    rows = read_json(path)
    found: dict[str, list[Guess]] = {}
    try:
        for row in rows:
            found.setdefault(str(row["image_id"]), []).append((float(row["score"]), row["segmentation"]))
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f"{path}: came no list of image_id, segmentation and score ({error!r})") from error
    return found


def sample_figures(dataset: VideoDataset, names: NamesImages, predictions: Path) -> dict[str, Any]:
    """The published figures of all samples. What is missing or broken counts as IoU 0; scoring the expressions tells of
    it."""
    layout = SampleLayout(names)
    samples = []
    for video in dataset.videos:
        for expression in video.expressions:
            truths = dataset.truth(video, expression)
            for position in expression.scored or ():
                guesses = layout.guesses(predictions, video, expression, position)
                samples.append(_sample(names.image_id(video, expression, position), truths, guesses))
    figures = sentence_figures(samples)
    figures.pop("missing")
    return figures


def _sample(sample_id: str, truths: Iterator[np.ndarray], guesses: Sequence[Guess]) -> Sample:
    """The next of an expression's samples."""
    try:
        truth = encode_rle(next(truths))
    except (DataError, StopIteration):  # a stream that broke has ended
        return Sample(sample_id, encode_rle(np.ones((1, 1), bool)), ())
    try:
        return Sample(sample_id, truth, tuple((rle, score) for score, rle in guesses))
    except (DataError, KeyError, TypeError):
        return Sample(sample_id, truth, ())


def write_results(dataset: NamesImages, videos: Sequence[VideoRecord], predictions: Path, records: Records) -> None:
    """Gather what the records hold into one file. Raises `OutputError`."""
    rows = []
    for video in videos:
        for expression in video.expressions:
            record = records.load(video.video_id, expression.expression_id)
            if record is None:
                continue
            for position, rle in record.rles.items():
                name = dataset.image_id(video, expression, int(position))
                score = record.scores[min(int(position), record.frames - 1)]
                rows.append({"image_id": name, "category_id": 1, "segmentation": rle, "score": score})
    write_atomic(predictions / PREDICTIONS, json.dumps(rows).encode())
