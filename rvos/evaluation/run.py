"""`rvos evaluate`: a system over a dataset into a folder, scored at the end; a killed run goes on where it stopped.

OUT/settings.json           what the predictions depend on; a folder of other settings is refused
OUT/predictions/            masks in the layout of the dataset (`layouts`), written while running
OUT/records/                what is done, an expression a file (`records`)
OUT/baseline/               predictions and records of the same, frame by frame
OUT/metrics.json            the figures
OUT/expressions.jsonl       a line an expression, J and F frame by frame
OUT/timing.json             speed and memory
OUT/report.html             all of it to look at
OUT/overlays/               videos of the best and the worst expressions
"""

from __future__ import annotations

import json
import platform
import resource
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from image_core.errors import ConfigError
from rvos.data import VideoDataset, VideoRecord
from rvos.data.ref_davis17 import RefDavis17
from rvos.evaluation.davis import write_annotators
from rvos.evaluation.figures import gain
from rvos.evaluation.look import Looker, write_overlays
from rvos.evaluation.predict import Predictor
from rvos.evaluation.protocols import PROTOCOLS, Scored, layout_of, score_dataset
from rvos.evaluation.records import Records, claimed, digest_of
from rvos.evaluation.samples import NamesImages, write_results
from rvos.evaluation.scoring import has_truth
from rvos.export.files import make_folder, write_atomic, write_json
from rvos.export.html import write_report
from rvos.segmenter import VideoSegmenter
from rvos.settings import StreamSettings
from rvos.system import System

FRAME_BY_FRAME = "frame_by_frame"
METRICS = "metrics.json"
OVERLAYS = 6
"""Videos drawn of the best and of the worst expressions each, as many as the report shows."""
Progress = Callable[[int, int], None]
Watched = Callable[[str], AbstractContextManager[Progress]]
"""Title -> a bar to advance."""


@dataclass(frozen=True)
class Evaluation:
    """What is run: a dataset, of it the first `limit` videos, of those every n-th from the i-th on where shard = (i, n)
    with i from 1; baseline: also frame by frame, without propagation and tracker; workers: processes that score."""

    dataset: VideoDataset
    limit: int | None = None
    shard: tuple[int, int] = (1, 1)
    baseline: bool = False
    workers: int = 1

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit: came {self.limit}, wanted 1 or more")
        i, n = self.shard
        if not 1 <= i <= n:
            raise ConfigError(f"--shard: came {i}/{n}, wanted i/n with 1 <= i <= n, for example 1/4")

    @property
    def limited(self) -> VideoDataset:
        """The dataset with the first `limit` videos."""
        return replace(self.dataset, videos=self.dataset.videos[: self.limit])

    @property
    def videos(self) -> tuple[VideoRecord, ...]:
        """Those of this shard."""
        i, n = self.shard
        return self.limited.videos[i - 1 :: n]

    @property
    def lock_name(self) -> str:
        """Shards of one run write into one folder side by side."""
        i, n = self.shard
        return ".lock" if n == 1 else f".lock_{i}_of_{n}"


def run_evaluation(
    evaluation: Evaluation, system: System, out: Path, watched: Watched, overwrite: bool = False
) -> dict[str, Any]:
    """Predict, score and write; the content of `metrics.json`, or of what a shard did, which scores nothing.

    Videos and expressions that break are listed under "failures" and count 0. Raises `RvosError` for whatever stops the
    run as a whole.
    """
    system.check()
    settings = {"dataset": evaluation.dataset.name, "split": evaluation.dataset.split, **system.document()}
    with claimed(out, settings, evaluation.lock_name, overwrite):
        if overwrite:
            (out / METRICS).unlink(missing_ok=True)
        known = _known(evaluation, settings, out)
        if known is not None:
            return known
        ours = _predicted(evaluation, system.segmenter, settings, out, watched, "")
        baseline = None
        if evaluation.baseline:
            plain = frame_by_frame(system)
            own = settings | plain.document()
            baseline = _predicted(
                evaluation, _sharing(system, plain), own, out / "baseline", watched, ", frame by frame"
            )
        if evaluation.shard[1] > 1:
            return {"dataset": evaluation.dataset.name, "shard": list(evaluation.shard), "failures": ours.failures}
        timing = _timing(evaluation, ours, baseline)
        write_json(out / "timing.json", timing)
        if not has_truth(evaluation.dataset):
            note = "no truth here: pack the predictions with rvos submit"
            document = _document(evaluation, settings, {"notes": [note], "failures": ours.failures})
            write_json(out / METRICS, document)
            return document
        return _scored(evaluation, settings, out, ours, baseline, watched, timing)


def _known(evaluation: Evaluation, settings: dict[str, Any], out: Path) -> dict[str, Any] | None:
    """The figures of a finished run that was asked for the same; what failed is tried again."""
    if not (out / METRICS).is_file() or evaluation.shard[1] > 1:
        return None
    document = json.loads((out / METRICS).read_bytes())
    records = Records(out / "records", digest_of(settings))
    complete = all(records.load(v.video_id, e.expression_id) for v in evaluation.limited.videos for e in v.expressions)
    same = document["limit"] == evaluation.limit and ("baseline" in document) >= evaluation.baseline
    scored = "protocol" in document or not has_truth(evaluation.dataset)
    return document if complete and same and scored and not document["failures"] else None


def frame_by_frame(system: System) -> System:
    """The same image model without anything that knows time."""
    plain = StreamSettings(
        video_stream=system.settings.video_stream,
        video_backend=system.settings.video_backend,
        video_prefetch=system.settings.video_prefetch,
    )
    return replace(system, propagation="none", tracker="none", settings=plain)


def _sharing(system: System, plain: System) -> VideoSegmenter:
    """The baseline's segmenter, with the model that is loaded already."""
    return VideoSegmenter(system.segmenter.image, plain.propagation, plain.tracker, settings=plain.settings)


def _predicted(
    evaluation: Evaluation, segmenter: VideoSegmenter, settings: dict[str, Any], out: Path, watched: Watched, what: str
) -> Predictor:
    """Predictions of the shard's videos under `out`, and what a dataset makes of them when they are complete."""
    dataset = evaluation.dataset
    layout = PROTOCOLS[dataset.name].layout
    records = Records(out / "records", digest_of(settings))
    predictor = Predictor(segmenter, layout, out / "predictions", records)
    make_folder(predictor.predictions)
    with watched(f"{dataset.name} {dataset.split}{what}") as progress:
        predictor.run(evaluation.videos, progress)
    if isinstance(dataset, RefDavis17) and layout is not None:
        write_annotators(dataset, evaluation.videos, layout, predictor.predictions, records)
    if layout is None and evaluation.shard[1] == 1:
        names = cast(NamesImages, dataset)
        write_results(names, evaluation.limited.videos, predictor.predictions, records)
    return predictor


def _scored(
    evaluation: Evaluation,
    settings: dict[str, Any],
    out: Path,
    ours: Predictor,
    baseline: Predictor | None,
    watched: Watched,
    timing: dict[str, Any],
) -> dict[str, Any]:
    protocol = PROTOCOLS[evaluation.dataset.name]
    with watched("scoring") as progress:
        found = score_dataset(evaluation.limited, ours.predictions, evaluation.workers, progress)
    figures = {**found.figures, "failures": [*ours.failures, *found.figures["failures"]]}
    if baseline is not None:
        with watched("scoring, frame by frame") as progress:
            before = score_dataset(evaluation.limited, baseline.predictions, evaluation.workers, progress)
        difference = gain(found.rows, before.rows, protocol.boundary)
        plain = _plain(before)
        figures["baseline"] = {
            FRAME_BY_FRAME: plain | {"failures": [*baseline.failures, *plain["failures"]]},
            "gain": {"of": _gained(evaluation.dataset), **difference},
        }
    document = _document(evaluation, settings, figures)
    rows = [row.document(protocol.boundary) for row in found.rows]
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    write_atomic(out / "expressions.jsonl", "".join(lines).encode())
    write_json(out / METRICS, document)
    looker = Looker(evaluation.dataset, layout_of(evaluation.dataset), ours.predictions)
    overlays = write_overlays(looker, found.rows, protocol.boundary, out, OVERLAYS)
    shown = document | {"overlays": overlays, "speed": {**timing["ours"], "peak_memory_mb": timing["peak_memory_mb"]}}
    write_report(out / "report.html", shown, rows, looker.strip)
    return document


def _gained(dataset: VideoDataset) -> str:
    """What the gain is of: it is taken expression by expression, and so is protocol B of Ref-DAVIS17."""
    if isinstance(dataset, RefDavis17):
        return "J&F by protocol B"
    return "J&F" if PROTOCOLS[dataset.name].boundary else "IoU"


def _plain(found: Scored) -> dict[str, Any]:
    """Figures of the baseline without what is the same in both."""
    same = ("dataset", "split", "protocol", "verified", "videos", "expressions_in_all", "notes")
    return {key: value for key, value in found.figures.items() if key not in same}


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
    """Frames, seconds and frames per second of everything that is done, whichever process did it, and how many of the
    frames this one did; memory is this process's."""

    def row(predictor: Predictor) -> dict[str, Any]:
        frames, seconds = 0, 0.0
        for video in evaluation.limited.videos:
            found = [predictor.records.load(video.video_id, e.expression_id) for e in video.expressions]
            done = [record for record in found if record is not None]
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
