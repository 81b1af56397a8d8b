"""Ref-DAVIS17 by protocol A: one picture of ids an annotator, scored as an unsupervised segmentation.

Each object has four sentences, of two annotators and two ways of watching. Those of one annotator together make one
picture a frame, <folder>/anno_<k>/<video>/<frame>.png with k = 0 .. 3, indexed colour: object n of the video has the id
n + 1. The four are scored apart (DAVIS 2017 unsupervised: all frames, void left out, predicted ids given to true ones
such that most agrees) and their figures averaged. Protocol B scores each sentence's own mask, like other datasets.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from image_core.errors import RvosError
from image_core.files import make_folder
from rvos.data import VideoRecord
from rvos.data.ref_davis17 import RefDavis17
from rvos.evaluation.layouts import MaskTree, read_ids
from rvos.evaluation.records import Records
from rvos.evaluation.scoring import NO_PREDICTION, over_cores
from rvos.export.pictures import write_id_picture
from rvos.metrics.davis import ObjectScores, SequenceScores, davis_figures, score_sequence

ANNOTATORS = 4
FIGURES = ("J&F", "J", "F", "J-Recall", "J-Decay", "F-Recall", "F-Decay")


def annotator_folder(predictions: Path, annotator: int) -> Path:
    """Where the pictures of one annotator lie."""
    return predictions / f"anno_{annotator}"


def write_annotators(
    dataset: RefDavis17, video: VideoRecord, layout: MaskTree, predictions: Path, records: Records
) -> None:
    """Make the pictures of a video anew from the masks of its expressions; one that is not predicted shows nothing.

    Raises `RvosError`, and leaves no picture where an annotator has none of its expressions.
    """
    for k, expressions in enumerate(dataset.annotators(video)):
        folder = annotator_folder(predictions, k) / video.video_id
        shutil.rmtree(folder, ignore_errors=True)
        found = [records.load(video, e) for e in expressions]
        if not any(found):
            continue
        make_folder(folder)
        for index in range(len(video.frame_names)):
            masks = [layout.read(predictions, video, e, index) for e in expressions]
            sizes = [mask.shape for mask in masks if mask is not None]
            if not sizes:
                continue
            scores = [record.scores[index] if record else 0.0 for record in found]
            ids = merged([np.zeros(sizes[0], bool) if mask is None else mask for mask in masks], scores)
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
class SequenceOutcome:
    """One annotator's pictures of one video. scores: None where something broke, as `error` says; missing: frames
    without a picture, which count as empty."""

    scores: SequenceScores | None
    missing: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class AnnotatorScoring:
    """Scores one annotator's pictures of one video."""

    dataset: RefDavis17
    predictions: Path

    def __call__(self, task: tuple[int, VideoRecord]) -> SequenceOutcome:
        annotator, video = task
        folder = annotator_folder(self.predictions, annotator) / video.video_id
        if not folder.is_dir():
            return SequenceOutcome(None, error=NO_PREDICTION)
        missing: list[str] = []
        try:
            scores = score_sequence(video.video_id, self._frames(video, folder, missing), "unsupervised")
        except RvosError as error:
            return SequenceOutcome(None, tuple(missing), str(error))
        return SequenceOutcome(scores, tuple(missing))

    def _frames(self, video: VideoRecord, folder: Path, missing: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for name, truth in zip(video.frame_names, self.dataset.id_maps(video), strict=True):
            ids = read_ids(folder / f"{name}.png")
            if ids is None:
                missing.append(f"{folder.parent.name}/{video.video_id}/{name}")
                ids = np.zeros_like(truth)
            yield ids, truth


def has_annotators(predictions: Path) -> bool:
    """The folder of any annotator is there."""
    return any(annotator_folder(predictions, k).is_dir() for k in range(ANNOTATORS))


def protocol_a(dataset: RefDavis17, predictions: Path, workers: int) -> dict[str, Any]:
    """The figures, each annotator's J&F, and what is missing or broke under "missing" and "failures".

    Where a video's pictures are missing or broken, each of its objects counts 0 (the reference stops there).
    """
    tasks = [(k, video) for k in range(ANNOTATORS) for video in dataset.videos]
    scored = list(over_cores(AnnotatorScoring(dataset, predictions), tasks, workers))
    found = [each.scores or _nothing(video) for (_, video), each in zip(tasks, scored, strict=True)]
    count = len(dataset.videos)
    by_annotator = [davis_figures(found[k * count : (k + 1) * count]) for k in range(ANNOTATORS)]
    means = {name: _mean([figures[name] for figures in by_annotator]) for name in FIGURES}
    return {
        **means,
        "annotators": [figures["J&F"] for figures in by_annotator],
        "missing": [name for each in scored for name in each.missing],
        "failures": [
            {"video": video.video_id, "expression": f"anno_{k}", "error": each.error}
            for (k, video), each in zip(tasks, scored, strict=True)
            if each.error is not None
        ],
    }


def _nothing(video: VideoRecord) -> SequenceScores:
    """0 on every frame for every object that is spoken of."""
    zeros = np.zeros(len(video.frame_names))
    objects = {i for expression in video.expressions for i in expression.object_ids}
    return SequenceScores(video.video_id, tuple(ObjectScores(i, i, zeros, zeros) for i in range(1, len(objects) + 1)))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) and known else None
