"""Other image models through the gain benchmark: thresholds of their own, then figures on videos that chose nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gain.systems import SYSTEMS
from benchmarks.harness.command import Benchmark
from benchmarks.harness.rows import Row
from image_core.weights import find_model

SEEDS = {"tuned": 0, "measured": 1}
"""Of the validation videos. The test split is left alone."""


def measure_models(benchmark: Benchmark, row: Callable[[str, int, int], Row], rows_as: str) -> tuple[Path, list[Row]]:
    """The command line of a benchmark with a row a model, written under the key `rows_as`: the JSON, and the rows.
    `row` gets the model, videos a family and processes."""
    parser = benchmark.parser(workers=2)
    parser.add_argument("models", nargs="+", help="model files, each named otherwise, or an embedded model's name")
    parser.add_argument("--per-family", type=int, default=8, help="videos a family that figures are of (8)")
    arguments = parser.parse_args()
    rows = [row(model, arguments.per_family, arguments.workers) for model in arguments.models]
    settings = {"split": "val", "seeds": SEEDS, "per_family": arguments.per_family}
    benchmark.write(arguments.out, {**settings, rows_as: rows})
    return arguments.out, rows


def measured(model: str, systems: Sequence[str], per_family: int, workers: int, out: Path) -> dict[str, Any]:
    """What the gain benchmark writes of a model, under `out`; the model's file is named after it."""
    path = out / f"{find_model(model).stem}.json"
    common = ["--model", model, "--workers", str(workers), "--seed"]
    tuned = [name for name in systems if SYSTEMS[name].is_tuned]
    video_gain(*common, str(SEEDS["tuned"]), "--tune", "--per-family", "4", "--systems", *tuned)
    figures = ["--per-family", str(per_family), "--systems", *systems, "--out", str(path)]
    video_gain(*common, str(SEEDS["measured"]), *figures)
    return json.loads(path.read_text())


def video_gain(*arguments: str) -> None:
    """One run of the gain benchmark; what it prints goes on."""
    subprocess.run([sys.executable, "-m", "benchmarks.gain.video_gain", *arguments], check=True)
