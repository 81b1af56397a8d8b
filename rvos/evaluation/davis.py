"""Ref-DAVIS17 by protocol A: one picture of ids an annotator, scored as an unsupervised segmentation.

Each object has four sentences, of two annotators and two ways of watching. Those of one annotator together make one
picture a frame, <folder>/anno_<k>/<video>/<frame>.png with k = 0 .. 3, indexed colour: object n of the video has the id
n + 1. The four are scored apart (DAVIS 2017 unsupervised: all frames, void left out, predicted ids given to true ones
such that most agrees) and their figures averaged. Protocol B scores each sentence's own mask, like other datasets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from image_core.errors import RvosError
from rvos.data import VideoRecord
from rvos.data.ref_davis17 import RefDavis17
from rvos.evaluation.layouts import MaskTree, read_ids
from rvos.evaluation.records import Records
from rvos.evaluation.scoring import NO_PREDICTION, over_cores
from rvos.export.files import make_folder
from rvos.export.pictures import write_id_picture
from rvos.metrics.davis import ObjectScores, SequenceScores, davis_figures, score_sequence

ANNOTATORS = 4
FIGURES = ("J&F", "J", "F", "J-Recall", "J-Decay", "F-Recall", "F-Decay")


def annotator_folder(predictions: Path, annotator: int) -> Path:
    """Where the pictures of one annotator lie."""
    return predictions / f"anno_{annotator}"


def write_annotators(
    dataset: RefDavis17, videos: Sequence[VideoRecord], layout: MaskTree, predictions: Path, records: Records
) -> None:
    """Make the pictures of the videos whose expressions are all predicted, from their masks. Raises `RvosError`."""
    for video in videos:
        for k, expressions in enumerate(dataset.annotators(video)):
            folder = annotator_folder(predictions, k) / video.video_id
            found = [records.load(video.video_id, e.expression_id) for e in expressions]
            if any(record is None for record in found):
                continue
            make_folder(folder)
            for index in range(len(video.frame_names)):
                scores = [record.scores[index] for record in found if record is not None]
                masks = [layout.read(predictions, video, e, index) for e in expressions]
                ids = merged([mask for mask in masks if mask is not None], scores)
                write_id_picture(folder / f"{video.frame_name(index)}.png", ids)


def merged(masks: Sequence[np.ndarray], scores: Sequence[float]) -> np.ndarray:
    """(H, W) uint8: each pixel is of the object that claims it with most confidence, the first of equals; 0 of none.

    masks: (H, W) bool, at least one; scores: [0, 1]. The protocol's argmax over probabilities of at least 0.5 and a
    background of 0.1, where a mask of confidence s has the probability 0.5 + 0.5 s inside and 0 outside (reading: the
    trackers give masks, not probabilities).
    """
    claims = np.stack([np.where(mask, 0.5 + 0.5 * score, 0.0) for mask, score in zip(masks, scores, strict=True)])
    return np.where(claims.max(0) > 0, claims.argmax(0) + 1, 0).astype(np.uint8)


@dataclass(frozen=True)
class AnnotatorScoring:
    """Scores one annotator's pictures of one video."""

    dataset: RefDavis17
    predictions: Path

    def __call__(self, task: tuple[int, VideoRecord]) -> SequenceScores | str:
        """The scores, or what is missing or broken in one line."""
        annotator, video = task
        folder = annotator_folder(self.predictions, annotator) / video.video_id
        if not folder.is_dir():
            return NO_PREDICTION
        try:
            return score_sequence(video.video_id, self._frames(video, folder), "unsupervised")
        except RvosError as error:
            return str(error)

    def _frames(self, video: VideoRecord, folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for name, truth in zip(video.frame_names, self.dataset.id_maps(video), strict=True):
            ids = read_ids(folder / f"{name}.png")
            yield np.zeros_like(truth) if ids is None else ids, truth


def has_annotators(predictions: Path) -> bool:
    """The folder of any annotator is there."""
    return any(annotator_folder(predictions, k).is_dir() for k in range(ANNOTATORS))


def protocol_a(dataset: RefDavis17, predictions: Path, workers: int) -> dict[str, Any]:
    """The figures, each annotator's J&F, and what is missing or broke under "failures".

    Where a video's pictures are missing or broken, each of its objects counts 0 (the reference stops there).
    """
    tasks = [(k, video) for k in range(ANNOTATORS) for video in dataset.videos]
    scored = list(over_cores(AnnotatorScoring(dataset, predictions), tasks, workers))
    by_annotator, failures = [], []
    for k in range(ANNOTATORS):
        sequences = []
        for (annotator, video), found in zip(tasks, scored, strict=True):
            if annotator != k:
                continue
            if isinstance(found, str):
                failures.append({"video": video.video_id, "expression": f"anno_{k}", "error": found})
                found = _nothing(dataset, k, video)
            sequences.append(found)
        by_annotator.append(davis_figures(sequences))
    means = {name: _mean([figures[name] for figures in by_annotator]) for name in FIGURES}
    return {**means, "annotators": [figures["J&F"] for figures in by_annotator], "failures": failures}


def _nothing(dataset: RefDavis17, annotator: int, video: VideoRecord) -> SequenceScores:
    """0 on every frame for every object."""
    zeros = np.zeros(len(video.frame_names))
    ids = range(1, len(dataset.annotators(video)[annotator]) + 1)
    return SequenceScores(video.video_id, tuple(ObjectScores(i, i, zeros, zeros) for i in ids))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) and known else None
