"""`rvos score masks`: scores two folders of masks from any program, <sequence>/<frame>.png in both.

In a mask of 0 and 255 alone, 255 is one object. Other numbers are ids, and 255 among ids is void: see docs/masks.md.
A predicted mask that is missing counts as empty and is listed. A sequence is listed, too, if masks are missing while
others have names that are not expected. Figures are means over frames, then over objects, then over sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from image_core.entries import entries_of
from image_core.errors import DataError, RvosError
from image_core.geometry.mask_files import VOID, MaskEncoding, read_mask
from image_core.progress import Progress, no_progress
from rvos.evaluation.figures import mean_of_known
from rvos.evaluation.naming import misnamed
from rvos.evaluation.processes import parallel_map
from rvos.evaluation.sequences import SequenceOutcome
from rvos.metrics.bitmaps import pack
from rvos.metrics.davis import ObjectScores, SequenceScores, davis_figures
from rvos.metrics.frames import check_same_size, score_pairs

FIGURES = ("J&F", "J", "J-Recall", "J-Decay", "F", "F-Recall", "F-Decay")
PROTOCOL = "J and F over all frames, mean over frames, then objects, then sequences; void pixels count for nothing"


@dataclass(frozen=True)
class SequenceScorer:
    """Scores one sequence by its name."""

    truth: Path
    predictions: Path

    def __call__(self, name: str) -> SequenceOutcome:
        missing: list[str] = []
        try:
            return SequenceOutcome(name, self._scores(name, missing), tuple(missing))
        except RvosError as error:
            return SequenceOutcome(name, None, tuple(missing), str(error))

    def _scores(self, name: str, missing: list[str]) -> SequenceScores:
        """The scores of every id in the truth; an id that is only predicted is not scored."""
        paths = _masks_in(self.truth / name)
        predicted = {path: self.predictions / name / path.name for path in paths}
        missing += [f"{name}/{path.stem}" for path in paths if not predicted[path].exists()]
        true_meaning = MaskEncoding.of(map(read_mask, paths))
        predicted_meaning = MaskEncoding.of(read_mask(path) for path in predicted.values() if path.exists())
        ids = true_meaning.object_ids
        if not ids:
            raise DataError(f"{self.truth / name}: expected objects in the truth, got none on any frame: correct it")
        self._check_ids(name, true_meaning, predicted_meaning)
        frames = []
        for path in paths:
            truth = true_meaning.ids(read_mask(path))
            exists = predicted[path].exists()
            prediction = predicted_meaning.ids(read_mask(predicted[path])) if exists else np.zeros_like(truth)
            check_same_size(prediction.shape, truth.shape, f"{name}/{path.stem}: prediction")
            if len(ids) == 1 and predicted_meaning.is_binary:
                prediction = np.where(prediction > 0, np.uint8(ids[0]), np.uint8(0))
            void = pack((truth == VOID)[None])
            predicted_masks, true_masks = (
                pack(np.stack([id_map == i for i in ids])).without(void) for id_map in (prediction, truth)
            )
            frames.append(score_pairs(predicted_masks, true_masks))
        region, boundary = np.array(frames).transpose(1, 2, 0)
        objects = zip(ids, region, boundary, strict=True)
        return SequenceScores(name, tuple(ObjectScores(i, j, f) for i, j, f in objects))

    def _check_ids(self, name: str, true: MaskEncoding, predicted: MaskEncoding) -> None:
        """Raise `DataError` if the predictions have none of the ids of the truth, or are binary masks while the truth
        has several objects."""
        if not predicted.object_ids or (predicted.is_binary and len(true.object_ids) == 1):
            return
        where = f"{self.predictions / name}: expected ids of the truth ({_join(true.object_ids)})"
        if predicted.white_is_object:
            raise DataError(f"{where}, got 0 and 255, which do not say which object it is: save ids")
        if not {*predicted.object_ids} & {*true.object_ids}:
            raise DataError(f"{where}, got {_join(predicted.object_ids)}: save the same ids in both")


def _masks_in(folder: Path) -> list[Path]:
    """The PNGs of a sequence that are not hidden, sorted by name."""
    return [path for path in entries_of(folder) if path.suffix.lower() == ".png"]


def _join(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids))


def score_folders(
    truth: Path,
    predictions: Path,
    workers: int,
    uint8_bins: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """The content of `metrics.json`. A sequence whose scoring fails counts 0 and is listed.

    uint8_bins: reproduce the error of the reference in the decay of sequences of 256 frames and more. Raises
    `DataError` for a missing folder, and if no sequence of the truth has a predicted mask.
    """
    for folder in (truth, predictions):
        if not folder.is_dir():
            raise DataError(f"{folder}: expected a folder of <sequence>/<frame>.png, got none: check the path")
    names = [path.name for path in entries_of(truth) if path.is_dir() and _masks_in(path)]
    if not names:
        raise DataError(f"{truth}: expected <sequence>/<frame>.png, got none")
    if not any((predictions / name).is_dir() and _masks_in(predictions / name) for name in names):
        raise DataError(f"{predictions}: expected <sequence>/<frame>.png of the sequences of {truth}, got none")
    outcomes = list(parallel_map(SequenceScorer(truth, predictions), names, workers, progress))
    if all(each.error is not None for each in outcomes):
        raise DataError(f"no sequence could be scored, of {len(outcomes)}; the first: {outcomes[0].error}")
    sequences = {each.name: _figures(each, uint8_bins) for each in outcomes}
    return {
        "dataset": "masks",
        "protocol": PROTOCOL,
        "verified": True,
        **{name: mean_of_known([figures[name] for figures in sequences.values()]) for name in FIGURES},
        "sequences": sequences,
        "objects": sum(len(each.scores.objects) for each in outcomes if each.scores is not None),
        "missing": [name for each in outcomes for name in each.missing],
        "misnamed": misnamed((predictions / name, [p.name for p in _masks_in(truth / name)], ()) for name in names),
        "failures": [{"sequence": each.name, "error": each.error} for each in outcomes if each.error is not None],
    }


def _figures(outcome: SequenceOutcome, uint8_bins: bool) -> dict[str, float | None]:
    """The figures of one sequence: means over its objects."""
    if outcome.scores is None:
        return {name: 0.0 if name in ("J&F", "J", "F") else None for name in FIGURES}
    return davis_figures([outcome.scores], uint8_bins)
