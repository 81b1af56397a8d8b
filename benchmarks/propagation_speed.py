"""Frames/s against J&F of the ways to spare the encoder: features that propagate, and the tracker alone.

python benchmarks/propagation_speed.py [--videos 16] [--first 16] [--frames 16]

The embedded model on synthetic validation videos (288x512, 36 frames, all stable expressions of a video at once): J&F
over the frames that show the target, and the paired loss against every frame through the whole model, with its 95 %
interval over videos. Three full-scale experiments with random weights on an 854x480 clip: frames/s, stage by stage,
over the second half of the frames, when memories are full. All systems of a table take each frame in turn, one thread,
processor time: whatever else the machine does, it does to all of them. Takes about 20 minutes of processor time. Writes
propagation_speed.json and propagation_speed.png beside this file.

Validation videos 0 to 15 were looked at while propagation was made; hence --first.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from large_models import random_segmenter
from machine import describe_machine
from propagation_picture import draw
from stage_clock import StageClock
from video_clip import frames_of
from video_work import figures

from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.metrics import mean_interval
from rvos.synthetic import SyntheticVideos
from rvos.synthetic.demo_clip import FRAME_COUNT, RATE, draw_frame
from rvos.types import Frame
from rvos.watch.stream import Results

HERE = Path(__file__).parent
SEED = 0
CLIP_SIZE = (480, 854)
SENTENCE = "the red circle"
LARGE = ("s2rm_refcoco_video", "s2rm_refcoco", "safari_refcoco")
REFERENCE = "every frame"


@dataclass(frozen=True)
class Arm:
    """A system: how features and masks get to the frames between key frames."""

    propagation: str = "none"
    tracker: str = "none"
    key_frames: str = "all"
    decode: str = "every"

    def segmenter(self, image: ImageSegmenter) -> VideoSegmenter:
        """The system around an image model."""
        return VideoSegmenter(image, self.propagation, self.tracker, key_frames=self.key_frames, decode=self.decode)


ARMS: dict[str, Arm] = {
    REFERENCE: Arm(),
    "flow every:4": Arm("flow", key_frames="every:4"),
    "affinity every:4": Arm("affinity", key_frames="every:4"),
    "flow adaptive:8": Arm("flow", key_frames="adaptive:8"),
    "affinity adaptive:8": Arm("affinity", key_frames="adaptive:8"),
    "tracker alone every:4": Arm(tracker="memory", key_frames="every:4", decode="key"),
    "every frame, tracker": Arm(tracker="memory"),
}
LARGE_ARMS = (REFERENCE, "flow every:4", "affinity every:4", "tracker alone every:4")


def take_turns(
    segmenters: Mapping[str, VideoSegmenter],
    frames: Sequence[Frame],
    expressions: Sequence[str],
    clock: StageClock,
    warm_up: int = 0,
) -> dict[str, list[Results]]:
    """By system the results of every frame. After `warm_up` frames, if any, the clock begins anew."""
    sessions = {name: segmenter.session(expressions) for name, segmenter in segmenters.items()}
    found: dict[str, list[Results]] = {name: [] for name in sessions}
    for number, frame in enumerate(frames):
        if number == warm_up > 0:
            clock.clear()
        for name, session in sessions.items():
            clock.turn = name
            found[name].append(clock.timed("whole", session.step)(frame))
    return found


def embedded(indices: Iterable[int]) -> dict[str, Any]:
    """The table of the embedded model."""
    image = ImageSegmenter.load(device="cpu")
    segmenters = {name: arm.segmenter(image) for name, arm in ARMS.items()}
    clock, rows, videos = StageClock(), [], SyntheticVideos("val", SEED)
    clock.watch(segmenters.values())
    for index in indices:
        sample = videos[index]
        sample = replace(sample, expressions=tuple(e for e in sample.expressions if e.kind == "stable"))
        found = take_turns(segmenters, frames_of(sample), [e.sentence for e in sample.expressions], clock)
        for name, results in found.items():
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


def large(experiment: str, frame_count: int) -> dict[str, Any]:
    """The table of one full-scale experiment."""
    image = random_segmenter(experiment, SEED)
    segmenters = {name: ARMS[name].segmenter(image) for name in LARGE_ARMS}
    clock = StageClock()
    clock.watch(segmenters.values())
    take_turns(segmenters, clip(frame_count), [SENTENCE], clock, warm_up=frame_count // 2)
    return {name: speed(clock, name) for name in LARGE_ARMS}


def clip(frame_count: int) -> list[Frame]:
    """The demonstration's frames, enlarged."""
    images = (draw_frame(index % FRAME_COUNT) for index in range(frame_count))
    enlarged = (cv2.resize(image, CLIP_SIZE[::-1], interpolation=cv2.INTER_CUBIC) for image in images)
    return [Frame(index, index / RATE, image) for index, image in enumerate(enlarged)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--first", type=int, default=16)
    parser.add_argument("--frames", type=int, default=16)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    document: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/propagation_speed.py", *sys.argv[1:]]),
        "machine": describe_machine(),
        "seed": SEED,
        "videos": {"split": "val", "first": arguments.first, "count": arguments.videos},
        "clip": {"size": CLIP_SIZE, "frames": arguments.frames, "timed": arguments.frames - arguments.frames // 2},
        "large": {experiment: large(experiment, arguments.frames) for experiment in LARGE},
        "embedded": embedded(range(arguments.first, arguments.first + arguments.videos)),
    }
    (HERE / "propagation_speed.json").write_text(json.dumps(document, indent=1) + "\n")
    draw(document, HERE / "propagation_speed.png")
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
