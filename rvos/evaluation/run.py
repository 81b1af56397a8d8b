"""`rvos evaluate`: runs a system over a dataset into a folder and scores it at the end. A killed run can be continued.

OUT/settings.json           what the predictions depend on; a folder with other settings is an error
OUT/predictions/            masks in the layout of the dataset (`layouts`), written during the run
OUT/records/                what is done, one file per expression (`records`)
OUT/baseline/               predictions and records of the frame-by-frame baseline
OUT/metrics.json            the figures
OUT/expressions.jsonl       one line per expression, J and F frame by frame
OUT/timing.json             speed and memory
OUT/report.html             figures and images in one page
OUT/overlays/               videos of the best and the worst expressions
"""

from __future__ import annotations

import platform
import resource
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from image_core.errors import ConfigError, DataError
from image_core.files import make_folder, write_json
from image_core.folder import WHOLE, RunKind, digest_of, run_folder
from image_core.json_lines import write_lines
from image_core.progress import Progress
from rvos.data.base import VideoDataset
from rvos.data.protocol import IdMapTruth
from rvos.data.records import VideoRecord
from rvos.evaluation.figures import gain
from rvos.evaluation.id_maps import folders_of, write_id_maps
from rvos.evaluation.layouts import MaskTree
from rvos.evaluation.predict import Predictor
from rvos.evaluation.protocols import DatasetScores, layout_of, score_dataset
from rvos.evaluation.records import Records
from rvos.evaluation.report_images import ReportImages, write_overlays
from rvos.evaluation.samples import SampleLayout, write_results
from rvos.evaluation.scoring import has_truth
from rvos.export.html import write_report
from rvos.segmenter import VideoSegmenter

KIND = RunKind("rvos evaluation")
FRAME_BY_FRAME = "frame_by_frame"
METRICS = "metrics.json"
OVERLAYS = 6
"""How many of the best and how many of the worst expressions have overlays: as many as the report shows."""
ProgressBars = Callable[[str], AbstractContextManager[Progress]]
"""Title -> context manager that shows a progress bar."""


@dataclass(frozen=True)
class Evaluation:
    """What to evaluate. limit: the first videos of the dataset, None for all; shard: (i, n), every n-th of these from
    the i-th on, i from 1; baseline: also evaluate frame by frame, without propagation and tracker; workers: processes
    that score."""

    dataset: VideoDataset
    limit: int | None = None
    shard: tuple[int, int] = (1, 1)
    baseline: bool = False
    workers: int = 1

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit: expected 1 or more, got {self.limit}")
        i, n = self.shard
        if not 1 <= i <= n:
            raise ConfigError(f"--shard: expected i/n with 1 <= i <= n, for example 1/4, got {i}/{n}")

    @property
    def limited(self) -> VideoDataset:
        """The dataset with the first `limit` videos."""
        return replace(self.dataset, videos=self.dataset.videos[: self.limit])

    @property
    def videos(self) -> tuple[VideoRecord, ...]:
        """The videos of this shard."""
        i, n = self.shard
        return self.limited.videos[i - 1 :: n]


def run_evaluation(
    evaluation: Evaluation, segmenter: VideoSegmenter, out: Path, progress_bars: ProgressBars, overwrite: bool = False
) -> dict[str, Any]:
    """Predict, score and write. Returns the content of `metrics.json`; a shard, which does not score, returns its
    failures.

    Videos and expressions that fail are listed under "failures" and count 0. Raises `RvosError` for errors that stop
    the whole run.
    """
    dataset = evaluation.dataset
    settings = {"dataset": dataset.name, "split": dataset.split, **segmenter.document()}
    clear = partial(_clear, evaluation, out) if overwrite else None
    with run_folder(out, KIND, settings, clear, evaluation.shard):
        ours = _predict(evaluation, segmenter, settings, out, progress_bars, "")
        baseline = None
        if evaluation.baseline:
            plain = frame_by_frame(segmenter)
            baseline_settings, folder = settings | plain.document(), out / "baseline"
            baseline = _predict(evaluation, plain, baseline_settings, folder, progress_bars, ", frame by frame")
        if evaluation.shard != WHOLE:
            return {"dataset": dataset.name, "shard": list(evaluation.shard), "failures": ours.failures}
        timing = _timing(evaluation, ours, baseline)
        write_json(out / "timing.json", timing)
        if not has_truth(dataset):
            note = "the split has no truth: pack the predictions with rvos submit"
            document = _document(evaluation, settings, {"notes": [note], "failures": ours.failures})
            write_json(out / METRICS, document)
            return document
        return _score(evaluation, settings, out, ours, baseline, progress_bars, timing)


def _clear(evaluation: Evaluation, out: Path) -> None:
    """Remove the results of another run, except for the videos of other shards, which may be running."""
    for folder in (out, out / "baseline"):
        Records(folder / "records", "").forget(evaluation.videos)
    for name in (METRICS, "expressions.jsonl", "timing.json", "report.html"):
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / "overlays", ignore_errors=True)


def frame_by_frame(segmenter: VideoSegmenter) -> VideoSegmenter:
    """The baseline: the same image model, loaded once for both, without propagation and tracker."""
    return VideoSegmenter(segmenter.system.model, "none", "none", video=segmenter.video)


def _predict(
    evaluation: Evaluation,
    segmenter: VideoSegmenter,
    settings: dict[str, Any],
    out: Path,
    progress_bars: ProgressBars,
    suffix: str,
) -> Predictor:
    """Predict the videos of the shard into `out`, then write the files that the dataset needs besides masks. suffix: of
    the title of the progress bar."""
    dataset = evaluation.dataset
    layout, id_truth = layout_of(dataset.rules), dataset.id_truth()
    records = Records(out / "records", digest_of(settings))
    predictor = Predictor(segmenter, layout, out / "predictions", records)
    make_folder(predictor.predictions)
    with progress_bars(f"{dataset.name} {dataset.split}{suffix}") as progress:
        predictor.run(evaluation.videos, progress)
    if id_truth is not None and isinstance(layout, MaskTree):
        _write_all_id_maps(id_truth, evaluation.videos, layout, predictor)
    if isinstance(layout, SampleLayout) and evaluation.shard == WHOLE:
        write_results(layout.file, evaluation.limited.videos, predictor.predictions, records)
    return predictor


def _write_all_id_maps(
    truth: IdMapTruth, videos: Sequence[VideoRecord], layout: MaskTree, predictor: Predictor
) -> None:
    """Write the id maps of the videos that were processed now, and of those that have none yet."""
    first = folders_of(truth, predictor.predictions)[0]
    for video in videos:
        if video.video_id in predictor.attempted or not (first / video.video_id).is_dir():
            try:
                write_id_maps(truth, video, layout, predictor.predictions, predictor.records)
            except DataError as error:
                protocol = f"protocol {truth.protocol.name}"
                predictor.failures.append({"video": video.video_id, "expression": protocol, "error": str(error)})


def _score(
    evaluation: Evaluation,
    settings: dict[str, Any],
    out: Path,
    ours: Predictor,
    baseline: Predictor | None,
    progress_bars: ProgressBars,
    timing: dict[str, Any],
) -> dict[str, Any]:
    dataset, rules = evaluation.dataset, evaluation.dataset.rules
    with progress_bars("scoring") as progress:
        scores = score_dataset(evaluation.limited, ours.predictions, evaluation.workers, progress)
    figures = {**scores.figures, "failures": [*ours.failures, *scores.figures["failures"]]}
    if baseline is not None:
        with progress_bars("scoring, frame by frame") as progress:
            baseline_scores = score_dataset(evaluation.limited, baseline.predictions, evaluation.workers, progress)
        difference = gain(scores.rows, baseline_scores.rows, rules.boundary)
        plain = _baseline_figures(baseline_scores)
        figures["baseline"] = {
            FRAME_BY_FRAME: plain | {"failures": [*baseline.failures, *plain["failures"]]},
            "gain": {"of": rules.figure, **difference},
        }
    document = _document(evaluation, settings, figures)
    rows = [row.document(rules.boundary) for row in scores.rows]
    write_lines(out / "expressions.jsonl", rows)
    write_json(out / METRICS, document)
    images = ReportImages(dataset, layout_of(rules), ours.predictions)
    overlays = write_overlays(images, scores.rows, rules.boundary, out, OVERLAYS)
    speed = {**timing["ours"], "peak_memory_mb": timing["peak_memory_mb"]}
    report = document | _labels_with_protocol(document, rules.name)
    report |= {"title": dataset.title, "overlays": overlays, "speed": speed}
    write_report(out / "report.html", report, rows, images.strip)
    return document


def _labels_with_protocol(document: dict[str, Any], name: str) -> dict[str, Any]:
    """For the report of a dataset with several protocols: the breakdowns by the protocol `name`, with its name in their
    labels."""
    block = document.get("protocols", {}).get(name)
    return {} if block is None else {"by": {f"{label} (protocol {name})": row for label, row in block["by"].items()}}


def _baseline_figures(scores: DatasetScores) -> dict[str, Any]:
    """The figures of the baseline, without the entries that are the same in both."""
    same = ("dataset", "split", "protocol", "verified", "videos", "expressions_in_all", "notes")
    return {key: value for key, value in scores.figures.items() if key not in same}


def _document(evaluation: Evaluation, settings: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    dataset = evaluation.dataset
    return {
        "dataset": dataset.name,
        "split": dataset.split,
        **figures,
        "limit": evaluation.limit,
        "settings": settings,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
    }


def _timing(evaluation: Evaluation, ours: Predictor, baseline: Predictor | None) -> dict[str, Any]:
    """Frames, seconds and frames per second over all records, also those of earlier runs and other shards; the number
    of frames that this process computed; and its peak memory."""

    def row(predictor: Predictor) -> dict[str, Any]:
        frames, seconds = 0, 0.0
        for video in evaluation.limited.videos:
            records = [predictor.records.load(video, e) for e in video.expressions]
            done = [record for record in records if record is not None]
            frames += max((record.frames for record in done), default=0)
            seconds += sum(record.seconds for record in done)
        return {
            "frames": frames,
            "seconds": round(seconds, 3),
            "frames_per_s": round(frames / seconds, 2) if seconds else None,
            "frames_computed": predictor.frames,
        }

    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = {"ours": row(ours)} | ({} if baseline is None else {FRAME_BY_FRAME: row(baseline)})
    return {**rows, "peak_memory_mb": round(peak_mb)}
