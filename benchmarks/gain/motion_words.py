"""Expressions with words of motion on the synthetic videos, by the trajectories of tracks of an image model.

python -m benchmarks.gain.motion_words [--per-family 8]                 on validation videos
python -m benchmarks.gain.motion_words --split test [--per-family 16]   a release's figures

Every motion expression of the videos ("the circle moving left", "the square that stops"), with two image models: the
embedded one, and the true masks of all objects that fit the still part ("the circle": every circle), which isolates the
words of motion. frame_by_frame: the image model is asked the whole text. tracks: causal; tracks_both_ways: the second
of two passes. Presence thresholds are those of a user's run: 0.5 frame by frame, and for `tracks` the one that the
default `wanted_t_acc` selects for the model.

Figures are means over expressions: J&F over the frames on which the target is visible; N-acc over the frames without it
(also of expressions without a target); identity: the share of the frames with a visible target on which most of the
mask lies on it. Rows are kept under runs/motion_words; an interrupted run is continued. The result is motion_words.json
beside this file for the test split, beside the rows for validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from benchmarks.gain.clip import Clip, record
from benchmarks.gain.jobs import code_sha256
from benchmarks.gain.video_gain import enter_test_run
from benchmarks.gain.work import loaded
from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import in_processes
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.scoring import figures
from image_core.answer import Candidate, MaskAnswer
from image_core.mask_model import identify_model
from image_core.synthetic.meanings import Kind
from rvos.synthetic.dataset import SyntheticVideos, VideoDescription, VideoSample
from rvos.synthetic.fingerprint import generator_sha256
from rvos.synthetic.motion_meanings import MotionMeaning
from rvos.synthetic.severity import FAMILIES
from rvos.tracking.tracker import NoTracker
from rvos.tracking.tracks import TracksConfig, TracksTracker
from rvos.types import FrameResult
from rvos.watch.session import StreamSession, questions
from rvos.watch.stream import process

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/motion_words")
MODELS = ("embedded", "true_masks")
BOTH_WAYS = TracksConfig(both_ways=True)


@dataclass(frozen=True)
class Job:
    """One video."""

    model: str
    split: str
    seed: int
    index: int


def rows_of(job: Job) -> list[Row]:
    """A row per motion expression, image model and system."""
    videos = SyntheticVideos(job.split, job.seed)
    described = videos.describe(job.index)
    moving = [e for e, expression in enumerate(described.expressions) if expression.kind == "motion"]
    if not moving:
        return []
    sample = replace(videos[job.index], expressions=tuple(described.expressions[e] for e in moving))
    rows = []
    for model in MODELS:
        with torch.inference_mode():
            clip = (
                record(sample, loaded(job.model))
                if model == "embedded"
                else clip_of_true_masks(sample, described, moving)
            )
            own = identify_model(job.model) if model == "embedded" else None
            by_system = results_of(clip, TracksTracker(BOTH_WAYS.for_model(own)), frame_by_frame=model == "embedded")
        for system, results in by_system.items():
            for e, number in enumerate(moving):
                meaning = described.meanings[number]
                assert isinstance(meaning, MotionMeaning)
                about = {"video": sample.video_id, "index": job.index, "family": described.family, "model": model}
                about |= {"system": system, "verb": meaning.verb, "expression": sample.expressions[e].text}
                masks = [r.mask for r in results[e]]
                rows.append(about | figures(sample, e, masks) | {"identity": identity(sample, e, masks)})
    return rows


def clip_of_true_masks(sample: VideoSample, described: VideoDescription, moving: Sequence[int]) -> Clip:
    """The clip of a model that returns the true mask of every object of a kind, and ignores motion."""
    asked = questions([e.text for e in sample.expressions], TracksTracker(BOTH_WAYS), draws_candidates=False)
    answers = {}
    for question, number in zip(asked, moving, strict=True):
        meaning = described.meanings[number]
        assert isinstance(meaning, MotionMeaning)
        answers[question] = tuple(_true_answer(track, described, meaning.of) for track in sample.tracks)
    return Clip(sample, answers, 0.0)


def _true_answer(track: np.ndarray, described: VideoDescription, kind: Kind) -> MaskAnswer:
    """track: (H, W) ids of objects."""
    ids = [
        actor.item.id
        for actor in described.animation.objects
        if kind.fits(actor.item) and (track == actor.item.id).any()
    ]
    return MaskAnswer(tuple(Candidate(track == i, 1.0, 1.0) for i in ids), 1.0 if ids else 0.0, 1.0 if ids else 0.0)


def results_of(clip: Clip, tracks: TracksTracker, frame_by_frame: bool) -> dict[str, list[list[FrameResult]]]:
    """System -> E lists of T results."""
    by_system: dict[str, list[list[FrameResult]]] = {}
    if frame_by_frame:
        by_system["frame_by_frame"] = _watched(clip.session(NoTracker()), clip)
    session = clip.session(tracks)
    by_system["tracks"] = _watched(session, clip)
    session.rewind()
    by_system["tracks_both_ways"] = _watched(session, clip)
    return by_system


def _watched(session: StreamSession, clip: Clip) -> list[list[FrameResult]]:
    return [list(of_one) for of_one in zip(*(results for _, results in process(session, clip.frames)), strict=True)]


def identity(sample: VideoSample, expression: int, masks: Sequence[np.ndarray]) -> float | None:
    """Share of the frames with a visible target on which most of the mask lies on it."""
    truth = sample.mask(expression)
    visible = [t for t, mask in enumerate(truth) if mask.any()]
    if not visible:
        return None
    return float(np.mean([2 * np.count_nonzero(masks[t] & truth[t]) > np.count_nonzero(masks[t]) for t in visible]))


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """Model -> system -> figures over all expressions, by verb and by family."""
    document: dict[str, Any] = {}
    for model, system in dict.fromkeys((row["model"], row["system"]) for row in rows):
        own = [row for row in rows if (row["model"], row["system"]) == (model, system)]
        by_verb = {verb: _means([r for r in own if r["verb"] == verb]) for verb in sorted({r["verb"] for r in own})}
        by_family = {f: _means([r for r in own if r["family"] == f]) for f in FAMILIES}
        document.setdefault(model, {})[system] = _means(own) | {"verbs": by_verb, "families": by_family}
    return document


def _means(rows: Sequence[Row]) -> dict[str, Any]:
    figures = {}
    for name in ("J&F", "identity", "N-acc", "T-acc"):
        values = [row[name] for row in rows if row[name] is not None]
        figures[name] = round(fmean(values), 4) if values else None
    present = sum(row["J&F"] is not None for row in rows)
    return figures | {"expressions": len(rows), "with_target": present}


def main() -> None:
    parser = BENCHMARK.parser(seed=0, workers=1)
    parser.set_defaults(out=None)
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--per-family", type=int, default=8)
    parser.add_argument("--model", default="s2rm_tiny", help="an embedded model's name, or a model file")
    arguments = parser.parse_args()
    model = identify_model(arguments.model)
    settings = {
        "model": arguments.model,
        "model_sha256": model.revision,
        "presence_threshold": BOTH_WAYS.for_model(model).presence_threshold,
        "generator_sha256": generator_sha256(),
        "code_sha256": code_sha256(),
        "split": arguments.split,
        "seed": arguments.seed,
    }
    indices = range(len(FAMILIES) * arguments.per_family)
    with Rows(RUNS, "rows", settings) as file:
        if arguments.split == "test":
            enter_test_run(settings, BENCHMARK.command())
        done = {row["index"] for row in file.rows}
        jobs = [Job(arguments.model, arguments.split, arguments.seed, i) for i in indices if i not in done]
        for made in in_processes(rows_of, jobs, arguments.workers):
            file.append(made)
        rows = [row for row in file.rows if row["index"] in indices]
    beside = BENCHMARK.result if arguments.split == "test" else file.path.with_name("motion_words.json")
    document = BENCHMARK.write(
        arguments.out or beside, {**settings, "per_family": arguments.per_family, "results": report(rows)}
    )
    for name, by_system in document["results"].items():
        for system, means in by_system.items():
            print(name, system, {k: v for k, v in means.items() if k not in ("verbs", "families")})


if __name__ == "__main__":
    BENCHMARK.start(main)
