"""The cost of five expressions compared with one, in every mode of reading a video.

python -m benchmarks.speed.expressions_by_mode [--models s2rm_tiny photo s2rm_refcoco_video safari_refcoco]
    [--modes MODE ...] [--frames 5] [--before DIR]

A clip of 854 x 480, the default tracker unless the mode names another, one thread, processor seconds. The session of
one expression and that of five process each frame in turn, after one that is not timed. Full-scale experiments have
random weights; `photo` needs its weights (RVOS_HOME), and gets a real clip of RVOS_SHARED in place of drawn shapes.
Features are propagated if the model exposes them. Each mode runs in a process of its own, and its row is on disk when
it ends. --before: another checkout, whose process takes each frame in turn with that of this one, so that one run gives
the ratio of both. Rows of other models stay in the result. Aim: at most 1.5 times one expression. Takes about 15
minutes of processor time.

The result is expressions_by_mode.json, beside this file.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import REPOSITORY

BENCHMARK = Benchmark(__file__, __doc__)
MODELS = ("s2rm_tiny", "photo", "s2rm_refcoco_video", "safari_refcoco")
MODES: dict[str, dict[str, str]] = {
    "every frame": {"key_frames": "all"},
    "every frame, no tracker": {"key_frames": "all", "tracker": "none"},
    "every:5, decode=key": {"key_frames": "every:5", "decode": "key"},
    "every:5, flow": {"key_frames": "every:5", "propagation": "flow"},
    "every:5, affinity": {"key_frames": "every:5", "propagation": "affinity"},
}
CHILD = """
import json, sys, time

from benchmarks.harness.clips import demo_frames
from benchmarks.harness.machine import SHARED
from benchmarks.harness.processes import one_thread
from benchmarks.harness.real_clips import read_clips
from benchmarks.harness.systems import random_segmenter
from benchmarks.speed.many_expressions import EXPRESSIONS
from image_core.segmenter import ImageSegmenter
from image_core.weights import embedded_models
from rvos import VideoSegmenter

model, count, parts = json.loads(sys.argv[1])
one_thread()
if model == "photo":
    image, asked = model, ("the dog", "the person on the left", "the biggest car", "a red bus", "the tree")
    frames = read_clips(SHARED / "clips/masked", ["dog"])[0].frames[: 1 + count]
else:
    image = ImageSegmenter.load(model, "cpu") if model in embedded_models() else random_segmenter(model)
    frames, asked = demo_frames(1 + count, (480, 854)), EXPRESSIONS
segmenter = VideoSegmenter(image, **parts)
sessions = {e: segmenter.session(asked[:e]) for e in (1, 5)}
for frame in frames:
    sys.stdin.readline()
    spent = []
    for session in sessions.values():
        start = time.process_time()
        session.step(frame)
        spent.append(1000 * (time.process_time() - start))
    print("spent", *spent, flush=True)
"""


def measured(checkouts: Sequence[Path], model: str, frames: int, parts: dict[str, str]) -> list[tuple[float, float]]:
    """For each checkout, processor milliseconds per frame of one expression and of five. All process a frame before the
    next one, so that the load of the machine affects all of them alike."""
    command = [sys.executable, "-c", CHILD, json.dumps([model, frames, parts])]
    with ExitStack() as running:
        children = [
            running.enter_context(
                subprocess.Popen(
                    command,
                    cwd=checkout,
                    env={**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
            for checkout in checkouts
        ]
        taken = [[stepped(child) for child in children] for _ in range(1 + frames)][1:]
    means = [[statistics.mean(values) for values in zip(*of, strict=True)] for of in zip(*taken, strict=True)]
    return [(one, five) for one, five in means]


def stepped(child: subprocess.Popen[str]) -> tuple[float, float]:
    """The times that a child process reports for the next frame."""
    assert child.stdin is not None and child.stdout is not None
    print(file=child.stdin, flush=True)
    for line in child.stdout:
        if line.startswith("spent "):
            _, one, five = line.split()
            return float(one), float(five)
    raise SystemExit(f"{child.args}: expected figures of a frame, got none: run it to see why")


def row_of(model: str, frames: int, parts: dict[str, str], before: Path | None) -> dict[str, Any]:
    """The figures of a mode; with another checkout also its figures, and the ratio to them."""
    checkouts = [REPOSITORY] if before is None else [REPOSITORY, before.resolve()]
    own, *others = measured(checkouts, model, frames, parts)
    row = figures_of(*own)
    for one, five in others:
        row |= {"before": figures_of(one, five), "one_to_before": round(own[0] / one, 2)}
        row["five_to_before"] = round(own[1] / five, 2)
    return row


def figures_of(one: float, five: float) -> dict[str, Any]:
    """Milliseconds of one expression and of five."""
    return {"one_ms": round(one, 1), "five_ms": round(five, 1), "times_one": round(five / one, 2)}


def modes_of(model: str, modes: Sequence[str]) -> dict[str, dict[str, str]]:
    """The modes, of those given, that a model supports."""
    shows_features = model != "photo"
    return {mode: MODES[mode] for mode in modes if shows_features or "propagation" not in MODES[mode]}


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--before", type=Path)
    arguments = parser.parse_args()
    known = json.loads(arguments.out.read_text())["models"] if arguments.out.is_file() else {}
    for model in arguments.models:
        modes: dict[str, Any] = {}
        known[model] = {**BENCHMARK.document({"frames": arguments.frames}), "modes": modes}
        for mode, parts in modes_of(model, arguments.modes).items():
            modes[mode] = row_of(model, arguments.frames, parts, arguments.before)
            print(f"{model}, {mode}: {modes[mode]}", file=sys.stderr, flush=True)
            BENCHMARK.write(arguments.out, {"models": known})


if __name__ == "__main__":
    BENCHMARK.start(main)
