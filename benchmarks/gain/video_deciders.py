"""Whether a decider that knows the truth reaches the identity oracle: the difference is due to the tracks, to the
images of them, or to the questions.

python -m benchmarks.gain.video_deciders [--per-family N]                  on validation videos
python -m benchmarks.gain.video_deciders --true-masks [--per-family N]     an image model that draws every object truly

`mllm` asks a stand-in for a real model, which finds the numbered outlines in the images and knows which object is meant
(benchmarks/gain/knowing.py). No trained multimodal model is measured here. `rules` is the tracker in two passes;
`true_identity` is the oracle of video_gain. No presence threshold is applied.

With --true-masks the image model does not know which object is meant, so that only the decider chooses. Rows are
appended under runs/video_deciders as they are computed; an interrupted run is continued. The result is
video_deciders.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gain.baselines import Method, tracked
from benchmarks.gain.clip import Clip, FrameAnswer
from benchmarks.gain.jobs import code_sha256, run
from benchmarks.gain.knowing import TruthModel, all_objects, truths
from benchmarks.gain.oracles import true_identity
from benchmarks.gain.systems import ALONE, tracks
from benchmarks.gain.work import Job, clip_of, described
from benchmarks.harness.command import Benchmark
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.scoring import figures
from image_core.mask_model import identify_model
from image_core.weights import find_model
from rvos.metrics import mean_interval
from rvos.synthetic.dataset import SyntheticVideos
from rvos.synthetic.fingerprint import generator_sha256
from rvos.synthetic.severity import FAMILIES
from rvos.tracking.deciding.album import AlbumConfig
from rvos.tracking.deciding.mllm import Mllm, MllmConfig
from rvos.tracking.tracks import TracksConfig, TracksTracker

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/video_deciders")
MLLM, IDENTITY = "mllm", "true_identity"
TRUE_MASKS = "true masks of all objects"
TOLERANCE = 0.02
"""Largest J&F by which the decider may be below the oracle, over expressions whose answer never changes."""
FIGURES = ("J&F", "J&F_all_frames", "N-acc", "T-acc")


def decided(clip: Clip) -> list[list[FrameAnswer]]:
    """E lists of T answers of `tracks` with the decider `mllm` and the stand-in as its model."""
    known = truths({e.text: clip.sample.mask(i) for i, e in enumerate(clip.sample.expressions)})
    decider = Mllm(MllmConfig("stand-in"), AlbumConfig(), lambda: TruthModel(clip.sample.frames, known), dict)
    tracker = TracksTracker(TracksConfig(both_ways=True, presence_threshold=0.0), decider)
    return tracked(tracker, passes=2)(clip)


METHODS: dict[str, Method] = {
    "frame_by_frame": ALONE,
    "rules": tracked(tracks(both_ways=True), passes=2),
    MLLM: decided,
    IDENTITY: true_identity(ALONE),
}


@torch.inference_mode()
def score(job: Job) -> list[Row]:
    """A row for every expression of a video and every method."""
    clip = all_objects(SyntheticVideos(job.split, job.seed)[job.index]) if job.model == TRUE_MASKS else clip_of(job)
    return [
        described(job, clip, e, name) | figures(clip.sample, e, [answer.mask for answer in answers])
        for name in job.systems
        for e, answers in enumerate(METHODS[name](clip))
    ]


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """By kind of expression: the mean figures of each method, and how far the decider is from the oracle."""
    document: dict[str, Any] = {}
    for kind in sorted({row["kind"] for row in rows}):
        of_kind = [row for row in rows if row["kind"] == kind]
        by_method = {name: [row for row in of_kind if row["system"] == name] for name in METHODS}
        document[kind] = {name: {figure: mean(own, figure) for figure in FIGURES} for name, own in by_method.items()}
        pairs = [
            (one, other)
            for one, other in zip(by_method[MLLM], by_method[IDENTITY], strict=True)
            if one["J&F"] is not None
        ]
        if pairs:
            gap = np.array([one["J&F"] - other["J&F"] for one, other in pairs])
            interval = mean_interval(gap, [one["video"] for one, _ in pairs], [one["family"] for one, _ in pairs])
            ends = [round(interval.low, 4), round(interval.high, 4)]
            document[kind]["mllm_less_oracle"] = {
                "mean": round(interval.mean, 4),
                "interval": ends,
                "pairs": len(pairs),
            }
    return document


def mean(rows: Sequence[Row], figure: str) -> float | None:
    """The mean over the rows that have the figure; None if none has."""
    values = [row[figure] for row in rows if row[figure] is not None]
    return round(float(np.mean(values)), 4) if values else None


def main() -> None:
    parser = BENCHMARK.parser(seed=0, workers=1)
    parser.add_argument("--per-family", type=int, default=2, help="videos a family (2)")
    parser.add_argument("--model", default="s2rm_tiny", help="an embedded model's name, or a model file")
    parser.add_argument("--true-masks", dest="model", action="store_const", const=TRUE_MASKS)
    parser.set_defaults(out=None)
    arguments = parser.parse_args()
    known = arguments.model != TRUE_MASKS
    settings = {
        "model": find_model(arguments.model).stem if known else TRUE_MASKS,
        "model_sha256": identify_model(arguments.model).revision if known else "",
        "generator_sha256": generator_sha256(),
        "code_sha256": code_sha256(),
        "split": "val",
        "seed": arguments.seed,
    }
    indices = range(len(FAMILIES) * arguments.per_family)
    jobs = [Job(arguments.model, "val", arguments.seed, index, True, tuple(METHODS), {}) for index in indices]
    with Rows(RUNS, "rows", settings) as file:
        rows = sorted(run(score, jobs, file, arguments.workers), key=lambda row: (row["index"], row["expression"]))
    document = report(rows)
    gap = document["stable"]["mllm_less_oracle"]["mean"]
    figures_of = {**settings, "per_family": arguments.per_family, "tolerance": TOLERANCE, "reached": gap >= -TOLERANCE}
    plain = BENCHMARK.result if known else BENCHMARK.result.with_name("video_deciders_true_masks.json")
    BENCHMARK.write(arguments.out or plain, {**figures_of, **document})
    for kind, of_kind in document.items():
        for name, values in of_kind.items():
            print(f"{kind:8} {name:18} {values}")


if __name__ == "__main__":
    BENCHMARK.start(main)
