"""Other image models through the gain benchmark: thresholds of their own, then figures on videos that chose nothing."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from machine import describe_machine
from video_systems import SYSTEMS

from image_core.segmenter import find_model
from image_core.training.recipe import commit

HERE = Path(__file__).parent
Row = dict[str, Any]
SEEDS = {"tuned": 0, "measured": 1}
"""Of the validation videos. Nothing of the test split is looked at."""


def write_rows(name: str, description: str, row: Callable[[str, int, int], Row], rows_as: str) -> list[Row]:
    """The command line of a benchmark with a row a model; `row` has the model, videos a family and processes. Writes
    `<name>.json` beside this file, the rows under the key `rows_as`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="model files, each named otherwise, or an embedded model's name")
    parser.add_argument("--per-family", type=int, default=8, help="videos a family that figures are of (8)")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread")
    arguments = parser.parse_args()
    rows = [row(model, arguments.per_family, arguments.workers) for model in arguments.models]
    document = {
        "command": shlex.join(["python", f"benchmarks/{name}.py", *sys.argv[1:]]),
        "machine": describe_machine(),
        "commit": commit(),
        "split": "val",
        "seeds": SEEDS,
        "per_family": arguments.per_family,
        rows_as: rows,
    }
    (HERE / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    return rows


def measured(model: str, systems: Sequence[str], per_family: int, workers: int, out: Path) -> dict[str, Any]:
    """What `video_gain.py` writes of a model, under `out`; the model's file is named after it."""
    path = out / f"{find_model(model).stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    common = ["--model", model, "--workers", str(workers), "--seed"]
    tuned = [name for name in systems if SYSTEMS[name].is_tuned]
    video_gain(*common, str(SEEDS["tuned"]), "--tune", "--per-family", "4", "--systems", *tuned)
    figures = ["--per-family", str(per_family), "--systems", *systems, "--out", str(path)]
    video_gain(*common, str(SEEDS["measured"]), *figures)
    return json.loads(path.read_text())


def video_gain(*arguments: str) -> None:
    """One run of the gain benchmark; what it prints goes on."""
    subprocess.run([sys.executable, str(HERE / "video_gain.py"), *arguments], check=True)
