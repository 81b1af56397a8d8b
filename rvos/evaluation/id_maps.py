"""A second protocol beside that of single expressions: the expressions of a group share one id map per frame.

This is protocol A of Ref-DAVIS17. Each object has four expressions: by two annotators, who saw the first frame or the
full video. Those of one annotator (with one view) make <folder>/anno_<k>/<video>/<frame>.png, indexed colour: object n
of the video has the id n + 1. Each group is scored separately (DAVIS 2017 unsupervised: all frames, void ignored,
predicted ids assigned to true ones for the highest scores), and the figures of the groups are averaged.
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
from rvos.data.protocol import IdMapFolders, IdMapTruth
from rvos.data.records import VideoRecord
from rvos.evaluation.layouts import MaskTree
from rvos.evaluation.processes import parallel_map
from rvos.evaluation.records import Records
from rvos.evaluation.scoring import NO_PREDICTION
from rvos.evaluation.sequences import SequenceOutcome
from rvos.export.frame_pngs import write_palette_png
from rvos.metrics.davis import ObjectScores, SequenceScores, davis_figures, score_sequence

FIGURES = ("J&F", "J", "F", "J-Recall", "J-Decay", "F-Recall", "F-Decay")


def folders_of(truth: IdMapTruth, predictions: Path) -> list[Path]:
    """The folder of the id maps of each group."""
    layout = truth.protocol.layout
    if not isinstance(layout, IdMapFolders):
        raise ValueError(f"protocol {truth.protocol.name}: expected folders of id maps, got {layout.text}")
    return [predictions / name for name in layout.folders]


def has_id_maps(truth: IdMapTruth, predictions: Path) -> bool:
    """Whether the folder of any group exists."""
    return any(folder.is_dir() for folder in folders_of(truth, predictions))


def write_id_maps(truth: IdMapTruth, video: VideoRecord, layout: MaskTree, predictions: Path, records: Records) -> None:
    """Write the id maps of a video from the masks of its expressions. An expression without a prediction has no pixels;
    a group without any prediction has no id maps. Raises `RvosError`."""
    for group_folder, expressions in zip(folders_of(truth, predictions), truth.groups(video), strict=True):
        folder = group_folder / video.video_id
        shutil.rmtree(folder, ignore_errors=True)
        expression_records = [records.load(video, e) for e in expressions]
        if not any(expression_records):
            continue
        make_folder(folder)
        for index in range(len(video.frame_names)):
            masks = [layout.read(predictions, video, e, index) for e in expressions]
            sizes = [mask.shape for mask in masks if mask is not None]
            if not sizes:
                continue
            scores = [record.scores[index] if record else 0.0 for record in expression_records]
            ids = merge_masks([np.zeros(sizes[0], bool) if mask is None else mask for mask in masks], scores)
            write_palette_png(folder / f"{video.frame_name(index)}.png", ids)


def merge_masks(masks: Sequence[np.ndarray], scores: Sequence[float]) -> np.ndarray:
    """(H, W) uint8 id map: each pixel has the number, from 1, of the mask with the highest score that covers it, of
    equal scores the first; 0 if there is none.

    masks: (H, W) bool, at least one; scores: [0, 1]. The protocol takes the argmax over probabilities of at least 0.5
    and a background of 0.1. Our interpretation: a mask of score s has the probability 0.5 + 0.5 s inside and 0 outside,
    because the trackers return masks, not probabilities.
    """
    probs = np.stack([np.where(mask, 0.5 + 0.5 * score, 0.0) for mask, score in zip(masks, scores, strict=True)])
    return np.where(probs.max(0) > 0, probs.argmax(0) + 1, 0).astype(np.uint8)


@dataclass(frozen=True)
class GroupScorer:
    """Scores the id maps of one group of one video. A task is (folder of the group, video)."""

    truth: IdMapTruth

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


def id_map_figures(
    truth: IdMapTruth, videos: Sequence[VideoRecord], predictions: Path, workers: int
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The block of the protocol: its figures, with J&F of each group; and lists of what is "missing" and of "failures".

    If the id maps of a video are missing or cannot be read, each of its objects counts 0 (the reference raises there).
    """
    folders = folders_of(truth, predictions)
    tasks = [(folder, video) for folder in folders for video in videos]
    outcomes = list(parallel_map(GroupScorer(truth), tasks, workers))
    scores = [each.scores or _zero_scores(video) for (_, video), each in zip(tasks, outcomes, strict=True)]
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


def _zero_scores(video: VideoRecord) -> SequenceScores:
    """0 on every frame for every object that is the target of an expression."""
    zeros = np.zeros(len(video.frame_names))
    object_ids = {i for expression in video.expressions for i in expression.object_ids}
    return SequenceScores(video.video_id, tuple(ObjectScores(i, zeros, zeros) for i in range(1, len(object_ids) + 1)))


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean over groups; None where a group has no such figure."""
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if len(numbers) == len(values) else None
