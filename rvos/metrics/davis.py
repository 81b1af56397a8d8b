"""The DAVIS 2017 evaluation, semi-supervised and unsupervised, over maps of object ids (`davis2017/evaluation.py`).

An id map is (H, W) integers: 0 background, 1 ... the objects, 255 void (truth only).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Literal, get_args

import numpy as np
from scipy.optimize import linear_sum_assignment

from image_core.errors import DataError
from rvos.metrics.bitmaps import Bitmaps, pack
from rvos.metrics.frames import check_same_size, score_all_pairs, score_pairs
from rvos.metrics.statistics import Statistics, frame_statistics

DavisTask = Literal["semi-supervised", "unsupervised"]
IdMaps = Iterable[tuple[np.ndarray, np.ndarray]]

VOID_ID = 255
MAX_PROPOSALS = 20


@dataclass(frozen=True)
class ObjectScores:
    """One true object of a sequence: J and F per frame, each (T,).

    (In the unsupervised task the reference's tables name objects by the order of their predicted ids, not of these.)
    """

    object_id: int
    region: np.ndarray
    boundary: np.ndarray

    def statistics(self, uint8_bins: bool = False) -> tuple[Statistics, Statistics]:
        """Of J and of F; for `uint8_bins` see `frame_statistics`."""
        return frame_statistics(self.region, uint8_bins), frame_statistics(self.boundary, uint8_bins)


@dataclass(frozen=True)
class SequenceScores:
    """The true objects of one sequence, in the order of their ids."""

    name: str
    objects: tuple[ObjectScores, ...]


def score_sequence(name: str, frames: IdMaps, task: DavisTask) -> SequenceScores:
    """The frames of one sequence in order, each (prediction, truth), both (H, W) integers; read one by one.

    The number of objects is the highest id in the truth's first frame. A predicted object that is missing counts as
    empty masks.

    semi-supervised: ids correspond, first and last frame are not scored, void is background;

    unsupervised: all frames are scored, void pixels are ignored, and predicted objects are assigned to true ones such
    that the sum of the means of (J + F) / 2 is largest: swapped identities are not punished.

    Raises `DataError` for a prediction of another size, for more predicted objects than the task allows (as many as
    true ones; 20), and when no frame is left to score.
    """
    if task not in get_args(DavisTask):
        raise ValueError(f"task: expected one of {', '.join(get_args(DavisTask))}, got '{task}'")
    score = _score_by_id if task == "semi-supervised" else _score_by_assignment
    return SequenceScores(name, score(name, _checked_frames(name, frames)))


def davis_figures(sequences: Sequence[SequenceScores], uint8_bins: bool = False) -> dict[str, float | None]:
    """J&F, J, J-Recall, J-Decay, F, F-Recall, F-Decay: means over all objects of all sequences, in [0, 1].

    For the figures of one sequence give it alone.

    None where there is no object, and for a decay where one object has none: under `uint8_bins`, which reproduces the
    reference's mistake on sequences of 256 frames and more, it is mostly NaN there (see `frame_statistics`).
    """
    pairs = [each.statistics(uint8_bins) for sequence in sequences for each in sequence.objects]
    figures: dict[str, float | None] = {"J&F": None}
    for name, statistics in (("J", [j for j, _ in pairs]), ("F", [f for _, f in pairs])):
        figures[name] = _mean([each.mean for each in statistics])
        figures[f"{name}-Recall"] = _mean([each.recall for each in statistics])
        figures[f"{name}-Decay"] = _mean([each.decay for each in statistics])
    if figures["J"] is not None and figures["F"] is not None:
        figures["J&F"] = (figures["J"] + figures["F"]) / 2
    return figures


@dataclass(frozen=True)
class _Frame:
    """One frame that was read: its place, its id maps, and how many true objects the sequence has."""

    index: int
    prediction: np.ndarray
    truth: np.ndarray
    object_count: int


def _checked_frames(name: str, frames: IdMaps) -> Iterator[_Frame]:
    object_count = None
    for index, (prediction, truth) in enumerate(frames):
        for ids in (prediction, truth):
            if ids.ndim != 2 or ids.dtype.kind not in "iu":
                raise ValueError(f"{name}, frame {index}: expected integer ids (H, W), got {ids.dtype} {ids.shape}")
        check_same_size(prediction.shape, truth.shape, f"{name}, frame {index}: prediction")
        if object_count is None:
            object_count = int(truth.max(initial=0, where=truth != VOID_ID))
        yield _Frame(index, prediction, truth, object_count)


def _score_by_id(name: str, frames: Iterator[_Frame]) -> tuple[ObjectScores, ...]:
    scored = []
    for frame, _ in pairwise(islice(frames, 1, None)):  # the first is left out, and the last has none after it
        _highest_id(name, frame, frame.object_count, "as many objects at most as the truth's first frame has")
        ids = range(1, frame.object_count + 1)
        scored.append(score_pairs(_objects(frame.prediction, ids), _objects(frame.truth, ids)))
    if not scored:
        raise DataError(f"{name}: expected 3 frames or more, got fewer: the task scores neither first nor last")
    region, boundary = np.array(scored).transpose(1, 2, 0)
    return tuple(ObjectScores(i + 1, region[i], boundary[i]) for i in range(len(region)))


def _score_by_assignment(name: str, frames: Iterator[_Frame]) -> tuple[ObjectScores, ...]:
    scored = []
    for frame in frames:
        proposals = _highest_id(name, frame, MAX_PROPOSALS, "no more proposals than the task allows")
        void = pack((frame.truth == VOID_ID)[None])
        prediction = _objects(frame.prediction, range(proposals + 1), empty_first=True).without(void)
        truth = _objects(frame.truth, range(1, frame.object_count + 1)).without(void)
        scored.append(np.stack(score_all_pairs(prediction, truth)))
    if not scored:
        raise DataError(f"{name}: expected at least one frame, got none")
    proposals = max(matrix.shape[1] - 1 for matrix in scored)
    rows = max(proposals, scored[0].shape[2])
    region, boundary = np.stack([_pad_rows(matrix, rows) for matrix in scored], axis=-1)
    assigned, columns = linear_sum_assignment((region.mean(-1) + boundary.mean(-1)) / 2, maximize=True)
    pairs = sorted(zip(columns, assigned, strict=True))
    return tuple(ObjectScores(int(g) + 1, region[p, g], boundary[p, g]) for g, p in pairs)


def _pad_rows(scores: np.ndarray, rows: int) -> np.ndarray:
    """(2, 1 + P, G) scores of an empty mask and P objects -> (2, rows, G): the objects, then empty ones."""
    return np.concatenate([scores[:, 1:], np.repeat(scores[:, :1], rows + 1 - scores.shape[1], axis=1)], axis=1)


def _highest_id(name: str, frame: _Frame, most: int, rule: str) -> int:
    highest = int(frame.prediction.max(initial=0))
    if highest > most:
        raise DataError(f"{name}, frame {frame.index}: expected {rule} ({most}), got the predicted id {highest}")
    return highest


def _objects(ids: np.ndarray, named: range, empty_first: bool = False) -> Bitmaps:
    """One mask per id; with `empty_first` the first of them is empty."""
    masks = ids == np.array(named, ids.dtype)[:, None, None]
    if empty_first:
        masks[0] = False
    return pack(masks)


def _mean(values: Sequence[float]) -> float | None:
    mean = float(np.mean(values)) if values else math.nan
    return None if math.isnan(mean) else mean
