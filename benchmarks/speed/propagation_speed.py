"""Frames/s and J&F of the methods that skip the encoder on most frames: propagated features, and the tracker alone.

python -m benchmarks.speed.propagation_speed [--videos 16] [--first 16] [--frames 16]

The embedded model on synthetic validation videos (288x512, 36 frames, all stable expressions of a video at once): J&F
over the frames that show the target, and the paired loss against every frame through the whole model, with its 95 %
interval over videos. Three full-scale experiments with random weights on an 854x480 clip: frames/s, stage by stage,
over the second half of the frames, when memories are full. All systems of a table process each frame in turn, in one
thread and processor time, so that the load of the machine affects all of them alike. Takes about 20 minutes of
processor time.

Validation videos 0 to 15 were used during development of propagation; hence --first. The result is
propagation_speed.json with propagation_speed.png, beside this file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.harness.clips import EXPRESSIONS, demo_frames, frames_of
from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from benchmarks.harness.scoring import figures
from benchmarks.harness.systems import VideoParts, in_turn, random_segmenter
from benchmarks.speed.propagation_picture import draw
from benchmarks.speed.stage_clock import StageClock
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.metrics import mean_interval
from rvos.synthetic.dataset import SyntheticVideos
from rvos.types import Frame
from rvos.watch.stream import Results

BENCHMARK = Benchmark(__file__, __doc__)
CLIP_SIZE = (480, 854)
LARGE = ("s2rm_refcoco_video", "s2rm_refcoco", "safari_refcoco")
REFERENCE = "every frame"


ARMS: dict[str, VideoParts] = {
    REFERENCE: VideoParts(),
    "flow every:4": VideoParts("flow", key_frames="every:4"),
    "affinity every:4": VideoParts("affinity", key_frames="every:4"),
    "flow adaptive:8": VideoParts("flow", key_frames="adaptive:8"),
    "affinity adaptive:8": VideoParts("affinity", key_frames="adaptive:8"),
    "tracker alone every:4": VideoParts(tracker="tracks", key_frames="every:4", decode="key"),
    "every frame, tracker": VideoParts(tracker="tracks"),
}
LARGE_ARMS = (REFERENCE, "flow every:4", "affinity every:4", "tracker alone every:4")


def take_turns(
    segmenters: Mapping[str, VideoSegmenter],
    frames: Sequence[Frame],
    expressions: Sequence[str],
    clock: StageClock,
    warm_up: int = 0,
) -> dict[str, list[Results]]:
    """System -> results of every frame. The clock is reset after `warm_up` frames."""
    sessions = {name: segmenter.session(expressions) for name, segmenter in segmenters.items()}
    results: dict[str, list[Results]] = {name: [] for name in sessions}
    for number, of_frame in enumerate(in_turn(sessions, frames, clock.step), 1):
        for name, of_system in of_frame.items():
            results[name].append(of_system)
        if number == warm_up:
            clock.clear()
    return results


def embedded(indices: Iterable[int], seed: int) -> dict[str, Any]:
    """The table of the embedded model."""
    image = ImageSegmenter.load("s2rm_tiny", "cpu")
    segmenters = {name: arm.around(image) for name, arm in ARMS.items()}
    clock, rows, videos = StageClock(), [], SyntheticVideos("val", seed)
    clock.watch(segmenters.values())
    for index in indices:
        sample = videos[index]
        sample = replace(sample, expressions=tuple(e for e in sample.expressions if e.kind == "stable"))
        texts = [e.text for e in sample.expressions]
        for name, results in take_turns(segmenters, frames_of(sample), texts, clock).items():
            for e, expression in enumerate(sample.expressions):
                values = figures(sample, e, [of_frame[e].mask for of_frame in results])
                rows.append({"arm": name, "video": index, "family": expression.family, "expression": e, **values})
        print(f"video {index} of {list(indices)[-1]}", file=sys.stderr, flush=True)
    return {name: speed(clock, name) | quality(rows, name) for name in ARMS}


def quality(rows: Sequence[Mapping[str, Any]], arm: str) -> dict[str, Any]:
    """J&F, J, F of a system over the expressions with a target, and its losses against `REFERENCE`; fractions."""
    seen = {a: [row for row in rows if row["arm"] == a and row["J&F"] is not None] for a in (arm, REFERENCE)}
    means = {key: round(float(np.mean([row[key] for row in seen[arm]])), 4) for key in ("J&F", "J", "F")}
    losses: dict[str, Any] = {}
    for key in ("J&F", "J"):
        lost = np.array([r[key] - o[key] for r, o in zip(seen[REFERENCE], seen[arm], strict=True)])
        interval = mean_interval(lost, [row["video"] for row in seen[arm]], [row["family"] for row in seen[arm]])
        losses[f"{key}_lost"] = round(interval.mean, 4)
        losses[f"{key}_lost_interval"] = [round(interval.low, 4), round(interval.high, 4)]
    return means | losses | {"expressions": len(seen[arm])}


def speed(clock: StageClock, arm: str) -> dict[str, Any]:
    """Frames/s of a system, how many times that of `REFERENCE`, the share of frames that were encoded, and stages."""
    spent, reference = clock.ms_a_frame(arm), clock.ms_a_frame(REFERENCE)
    return {
        "frames_per_s": round(1000 / spent["whole"], 3),
        "times": round(reference["whole"] / spent["whole"], 3),
        "encoded_share": round(clock.calls[arm, "encoder"] / clock.calls[arm, "whole"], 3),
        "ms_a_frame": spent,
    }


def large(experiment: str, frame_count: int, seed: int) -> dict[str, Any]:
    """The table of one full-scale experiment."""
    image = random_segmenter(experiment, seed)
    segmenters = {name: ARMS[name].around(image) for name in LARGE_ARMS}
    clock = StageClock()
    clock.watch(segmenters.values())
    take_turns(segmenters, demo_frames(frame_count, CLIP_SIZE), EXPRESSIONS[:1], clock, warm_up=frame_count // 2)
    return {name: speed(clock, name) for name in LARGE_ARMS}


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--first", type=int, default=16)
    parser.add_argument("--frames", type=int, default=16)
    arguments = parser.parse_args()
    one_thread()
    seed, indices = arguments.seed, range(arguments.first, arguments.first + arguments.videos)
    measured = {
        "seed": seed,
        "videos": {"split": "val", "first": arguments.first, "count": arguments.videos},
        "clip": {"size": CLIP_SIZE, "frames": arguments.frames, "timed": arguments.frames - arguments.frames // 2},
        "large": {experiment: large(experiment, arguments.frames, seed) for experiment in LARGE},
        "embedded": embedded(indices, seed),
    }
    document = BENCHMARK.write(arguments.out, measured)
    draw(document, arguments.out.with_suffix(".png"))
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
