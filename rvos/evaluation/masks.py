"""`rvos score masks`: two folders of masks that anybody made, <sequence>/<frame>.png in both.

In grey pictures every pixel above 0 is the object; in indexed colour the pixels' values are ids. 255 in an indexed
picture of the truth is void. A predicted picture that is not there counts as empty, and is listed. Figures are means
over frames, then over objects, then over sequences.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from image_core.errors import DataError, RvosError
from image_core.progress import Progress, no_progress
from rvos.data.base import VOID_ID, decode_picture
from rvos.evaluation.figures import mean_of_known
from rvos.evaluation.processes import over_cores
from rvos.evaluation.sequences import SequenceOutcome
from rvos.metrics.bitmaps import pack
from rvos.metrics.davis import ObjectScores, SequenceScores, davis_figures
from rvos.metrics.frames import check_same_size, score_pairs

FIGURES = ("J&F", "J", "J-Recall", "J-Decay", "F", "F-Recall", "F-Decay")
PROTOCOL = "J and F over all frames, mean over frames, then objects, then sequences; void pixels count for nothing"


@dataclass(frozen=True)
class FolderScoring:
    """Scores one sequence after the other."""

    truth: Path
    predictions: Path

    def __call__(self, name: str) -> SequenceOutcome:
        missing: list[str] = []
        try:
            return SequenceOutcome(name, self._scores(name, missing), tuple(missing))
        except RvosError as error:
            return SequenceOutcome(name, None, tuple(missing), str(error))

    def _scores(self, name: str, missing: list[str]) -> SequenceScores:
        """Of every id that occurs in the truth; one that is predicted alone scores nothing."""
        paths = sorted((self.truth / name).glob("*.png"))
        ids = sorted({int(i) for path in paths for i in np.unique(_truth(path)[0])} - {0})
        if not ids:
            return SequenceScores(name, ())
        frames = []
        for path in paths:
            truth, void = _truth(path)
            predicted = self._predicted(name, path.name, truth, missing)
            check_same_size(predicted.shape, truth.shape, f"{name}/{path.stem}: prediction")
            outside = pack(void[None])
            ours, true = (pack(np.stack([each == i for i in ids])).without(outside) for each in (predicted, truth))
            frames.append(score_pairs(ours, true))
        region, boundary = np.array(frames).transpose(1, 2, 0)
        objects = zip(ids, region, boundary, strict=True)
        return SequenceScores(name, tuple(ObjectScores(i, j, f) for i, j, f in objects))

    def _predicted(self, name: str, file: str, truth: np.ndarray, missing: list[str]) -> np.ndarray:
        """(H, W) uint8 ids; a grey picture holds one object, whose id is 1."""
        try:
            values, indexed = decode_picture(self.predictions / name / file)
        except FileNotFoundError:
            missing.append(f"{name}/{Path(file).stem}")
            return np.zeros_like(truth)
        return values if indexed else (values > 0).astype(np.uint8)


def _truth(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) uint8 ids without void, and void (H, W) bool."""
    values, indexed = decode_picture(path)
    if not indexed:
        return (values > 0).astype(np.uint8), np.zeros(values.shape, bool)
    void = values == VOID_ID
    return np.where(void, 0, values).astype(np.uint8), void


def score_folders(
    truth: Path,
    predictions: Path,
    workers: int,
    uint8_bins: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """The content of `metrics.json`. A sequence that breaks counts 0 and is listed.

    uint8_bins: reproduce the reference's mistake in the decay of sequences of 256 frames and more. Raises `DataError`
    for a folder that is not there, and where no sequence of the truth has a predicted picture.
    """
    for folder in (truth, predictions):
        if not folder.is_dir():
            raise DataError(f"{folder}: expected a folder of <sequence>/<frame>.png, got none")
    names = sorted(path.name for path in truth.iterdir() if any(path.glob("*.png")))
    if not names:
        raise DataError(f"{truth}: expected <sequence>/<frame>.png, got none")
    if not any(any((predictions / name).glob("*.png")) for name in names):
        raise DataError(f"{predictions}: expected <sequence>/<frame>.png of the sequences of {truth}, got none")
    outcomes = list(over_cores(FolderScoring(truth, predictions), names, workers, progress))
    sequences = {each.name: _figures(each, uint8_bins) for each in outcomes}
    return {
        "dataset": "masks",
        "protocol": PROTOCOL,
        "verified": True,
        **{name: mean_of_known([figures[name] for figures in sequences.values()]) for name in FIGURES},
        "sequences": sequences,
        "objects": sum(len(each.scores.objects) for each in outcomes if each.scores is not None),
        "missing": [name for each in outcomes for name in each.missing],
        "failures": [{"sequence": each.name, "error": each.error} for each in outcomes if each.error is not None],
    }


def _figures(outcome: SequenceOutcome, uint8_bins: bool) -> dict[str, float | None]:
    """Of one sequence: means over its objects."""
    if outcome.scores is None:
        return {name: 0.0 if name in ("J&F", "J", "F") else None for name in FIGURES}
    return davis_figures([outcome.scores], uint8_bins)
