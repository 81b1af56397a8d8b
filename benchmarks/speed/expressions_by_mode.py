"""What five expressions cost beside one, in every way of reading a video.

python -m benchmarks.speed.expressions_by_mode [--models s2rm_tiny photo s2rm_refcoco_video safari_refcoco]
    [--modes MODE ...] [--frames 5] [--before DIR]

A clip of 854 x 480, the default tracker unless told, one thread, processor seconds. The session of one expression and
that of five take each frame in turn, after one that is not timed; of a full-scale experiment the weights are random,
and `photo` wants its weights (RVOS_HOME). Features are propagated where a model shows any. Each mode is a process of
its own, and its row is on the disk when it ends. --before: another checkout, whose processes come in turns with those
of this one: the ratio of both codes is had in one run. Aim: at most 1.5 times one expression. Takes about 15 minutes of
processor time.

The result is expressions_by_mode.json, beside this file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import REPOSITORY

BENCHMARK = Benchmark(__file__, __doc__)
MODELS = ("s2rm_tiny", "photo", "s2rm_refcoco_video", "safari_refcoco")
MODES: dict[str, dict[str, str]] = {
    "every frame": {},
    "every frame, no tracker": {"tracker": "none"},
    "every:5, decode=key": {"key_frames": "every:5", "decode": "key"},
    "every:5, flow": {"key_frames": "every:5", "propagation": "flow"},
    "every:5, affinity": {"key_frames": "every:5", "propagation": "affinity"},
}
CHILD = """
import json, sys, time

from benchmarks.harness.clips import demo_frames
from benchmarks.harness.processes import one_thread
from benchmarks.harness.systems import random_segmenter
from benchmarks.speed.many_expressions import EXPRESSIONS
from image_core.segmenter import ImageSegmenter
from image_core.weights import embedded_models
from rvos import VideoSegmenter

model, count, parts = json.loads(sys.argv[1])
one_thread()
image = model
if model != "photo":
    image = ImageSegmenter.load(model, "cpu") if model in embedded_models() else random_segmenter(model)
segmenter = VideoSegmenter(image, **parts)
sessions = {e: segmenter.session(EXPRESSIONS[:e]) for e in (1, 5)}
spent = {e: 0.0 for e in sessions}
for index, frame in enumerate(demo_frames(1 + count, (480, 854))):
    for expressions, session in sessions.items():
        start = time.process_time()
        session.step(frame)
        spent[expressions] += (time.process_time() - start) * (index > 0)
print(json.dumps([1000 * seconds / count for seconds in spent.values()]))
"""


def measured(checkout: Path, model: str, frames: int, parts: dict[str, str]) -> tuple[float, float]:
    """Processor milliseconds a frame of one expression and of five, by the code of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, json.dumps([model, frames, parts])]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=True)
    one, five = json.loads(done.stdout.splitlines()[-1])
    return one, five


def row_of(model: str, frames: int, parts: dict[str, str], before: Path | None) -> dict[str, Any]:
    """The figures of a mode; with those of another checkout, and what of its cost is left, where there is one."""
    one, five = measured(REPOSITORY, model, frames, parts)
    row: dict[str, Any] = {"one_ms": round(one, 1), "five_ms": round(five, 1), "times_one": round(five / one, 2)}
    if before is not None:
        one_before, five_before = measured(before, model, frames, parts)
        row["before"] = {
            "one_ms": round(one_before, 1),
            "five_ms": round(five_before, 1),
            "times_one": round(five_before / one_before, 2),
        }
        row["five_to_before"] = round(five / five_before, 2)
    return row


def modes_of(model: str, asked: Sequence[str]) -> dict[str, dict[str, str]]:
    """Those of the modes that a model can be read in."""
    shows_features = model != "photo"
    return {mode: MODES[mode] for mode in asked if shows_features or "propagation" not in MODES[mode]}


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--before", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"frames": arguments.frames, "models": {}}
    for model in arguments.models:
        table = figures["models"][model] = {}
        for mode, parts in modes_of(model, arguments.modes).items():
            table[mode] = row_of(model, arguments.frames, parts, arguments.before)
            print(f"{model}, {mode}: {table[mode]}", file=sys.stderr, flush=True)
            BENCHMARK.write(arguments.out, figures)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
