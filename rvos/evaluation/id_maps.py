"""A second protocol beside that of single expressions: the expressions of a group share one picture of ids per frame.

This is protocol A of Ref-DAVIS17: each object has four expressions, of two annotators and two ways of watching, and
those of one annotator together make <folder>/anno_<k>/<video>/<frame>.png, indexed colour: object n of the video has
the id n + 1. Each group is scored by itself (DAVIS 2017 unsupervised: all frames, void ignored, predicted ids assigned
to true ones for the highest scores), and the figures of the groups are averaged.
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
from image_core.geometry.mask_files import read_mask
from rvos.data.protocol import IdPictureFolders, IdTruth
from rvos.data.records import VideoRecord
from rvos.evaluation.layouts import MaskTree
from rvos.evaluation.processes import over_cores
from rvos.evaluation.records import Records
from rvos.evaluation.scoring import NO_PREDICTION
from rvos.evaluation.sequences import SequenceOutcome
from rvos.export.pictures import write_id_picture
from rvos.metrics.davis import ObjectScores, SequenceScores, davis_figures, score_sequence

FIGURES = ("J&F", "J", "F", "J-Recall", "J-Decay", "F-Recall", "F-Decay")


def folders_of(truth: IdTruth, predictions: Path) -> list[Path]:
    """Where the pictures of each group lie."""
    layout = truth.protocol.layout
    if not isinstance(layout, IdPictureFolders):
        raise ValueError(f"protocol {truth.protocol.name}: expected folders of id pictures, got {layout.text}")
    return [predictions / name for name in layout.folders]


def has_pictures(truth: IdTruth, predictions: Path) -> bool:
    """Whether the folder of any group exists."""
    return any(folder.is_dir() for folder in folders_of(truth, predictions))


def write_pictures(truth: IdTruth, video: VideoRecord, layout: MaskTree, predictions: Path, records: Records) -> None:
    """Write the pictures of a video from the masks of its expressions. An expression without a prediction has no
    pixels; a group without any prediction has no pictures. Raises `RvosError`."""
    for group_folder, expressions in zip(folders_of(truth, predictions), truth.groups(video), strict=True):
        folder = group_folder / video.video_id
        shutil.rmtree(folder, ignore_errors=True)
        done = [records.load(video, e) for e in expressions]
        if not any(done):
            continue
        make_folder(folder)
        for index in range(len(video.frame_names)):
            masks = [layout.read(predictions, video, e, index) for e in expressions]
            sizes = [mask.shape for mask in masks if mask is not None]
            if not sizes:
                continue
            scores = [record.scores[index] if record else 0.0 for record in done]
            ids = merged([np.zeros(sizes[0], bool) if mask is None else mask for mask in masks], scores)
            write_id_picture(folder / f"{video.frame_name(index)}.png", ids)


def merged(masks: Sequence[np.ndarray], scores: Sequence[float]) -> np.ndarray:
    """(H, W) uint8: each pixel has the number of the mask that covers it with the highest score, from 1 on, the first
    of equals; 0 if there is none.

    masks: (H, W) bool, at least one; scores: [0, 1]. The protocol's argmax over probabilities of at least 0.5 and a
    background of 0.1, where a mask of confidence s has the probability 0.5 + 0.5 s inside and 0 outside (reading: the
    trackers give masks, not probabilities).
    """
    claims = np.stack([np.where(mask, 0.5 + 0.5 * score, 0.0) for mask, score in zip(masks, scores, strict=True)])
    return np.where(claims.max(0) > 0, claims.argmax(0) + 1, 0).astype(np.uint8)


@dataclass(frozen=True)
class GroupScoring:
    """Scores the pictures of one group of one video; a task is the group's folder and the video."""

    truth: IdTruth

    def __call__(self, task: tuple[Path, VideoRecord]) -> SequenceOutcome:
        group_folder, video = task
        folder = group_folder / video.video_id
        if not folder.is_dir():
            return SequenceOutcome(video.video_id, None, error=NO_PREDICTION)
        missing: list[str] = []
        try:
            scores = score_sequence(video.video_id, self._frames(video, folder, missing), "unsupervised")
        except RvosError as error:
            return SequenceOutcome(video.video_id, None, tuple(missing), str(error))
        return SequenceOutcome(video.video_id, scores, tuple(missing))

    def _frames(self, video: VideoRecord, folder: Path, missing: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for name, truth in zip(video.frame_names, self.truth.id_maps(video), strict=True):
            path = folder / f"{name}.png"
            if path.exists():
                yield read_mask(path).ids(), truth
            else:
                missing.append(f"{folder.parent.name}/{video.video_id}/{name}")
                yield np.zeros_like(truth), truth


def picture_figures(
    truth: IdTruth, videos: Sequence[VideoRecord], predictions: Path, workers: int
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The protocol with its figures and each group's J&F; and what is "missing" or failed ("failures").

    If a video's pictures are missing or cannot be read, each of its objects counts 0 (the reference stops there).
    """
    folders = folders_of(truth, predictions)
    tasks = [(folder, video) for folder in folders for video in videos]
    outcomes = list(over_cores(GroupScoring(truth), tasks, workers))
    scores = [each.scores or _nothing(video) for (_, video), each in zip(tasks, outcomes, strict=True)]
    by_group = [davis_figures(scores[k * len(videos) : (k + 1) * len(videos)]) for k in range(len(folders))]
    block = {
        "protocol": truth.protocol.text,
        "verified": truth.protocol.verified,
        **{name: _mean([figures[name] for figures in by_group]) for name in FIGURES},
        "annotators": [figures["J&F"] for figures in by_group],
    }
    failures = [
        {"video": video.video_id, "expression": folder.name, "error": each.error}
        for (folder, video), each in zip(tasks, outcomes, strict=True)
        if each.error is not None
    ]
    return block, {"missing": [name for each in outcomes for name in each.missing], "failures": failures}


def _nothing(video: VideoRecord) -> SequenceScores:
    """0 on every frame for every object that an expression means."""
    zeros = np.zeros(len(video.frame_names))
    objects = {i for expression in video.expressions for i in expression.object_ids}
    return SequenceScores(video.video_id, tuple(ObjectScores(i, zeros, zeros) for i in range(1, len(objects) + 1)))


def _mean(values: Sequence[float | None]) -> float | None:
    """None where a group has no such figure."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
