"""The time that `rvos segment --list` saves: against one command per clip, one process, and separate rows of one clip.

python -m benchmarks.speed.list_speed [--clips 20] [--frames 20] [--processes 2] [--model s2rm_tiny]

Clips of 854x480, one expression each, overlay and contact sheet: one command per clip; `--list --jobs 1`; `--list` with
--processes processes. Then one clip with five expressions: five rows in one list, and five lists of one row. Wall and
processor seconds of each, child processes included: the ratios of wall seconds mean something on a quiet machine alone
(`load_average`). Takes about 6 minutes.

The result is list_speed.json, beside this file.
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.clips import write_demo_clip
from benchmarks.harness.command import Benchmark
from benchmarks.speed.many_expressions import EXPRESSIONS

BENCHMARK = Benchmark(__file__, __doc__)
CLIP_SIZE = (480, 854)
TOGETHER = 5


def spent(commands: Sequence[Sequence[str]]) -> dict[str, float]:
    """Wall and processor seconds of commands that are run one after the other."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    for command in commands:
        subprocess.run(
            [sys.executable, "-m", "rvos.cli", "segment", *command, "--quiet"], check=True, stdout=subprocess.DEVNULL
        )
    wall_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall_s, 2), "processor_s": round(processor_s, 2)}


def write_table(path: Path, rows: Sequence[tuple[Path, str]]) -> str:
    """A list of jobs."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("source", "expression"), *rows])
    return str(path)


def measure(folder: Path, clips: int, frames: int, processes: int, model: str) -> dict[str, Any]:
    """All commands, each into folders of its own."""
    sources = [folder / f"clip_{index:02d}.mp4" for index in range(clips)]
    for source in sources:
        write_demo_clip(source, frames, CLIP_SIZE)
    system = ("--model", model)
    table = write_table(folder / "clips.csv", [(source, EXPRESSIONS[0]) for source in sources])
    rows = [(sources[0], expression) for expression in EXPRESSIONS[:TOGETHER]]
    together = write_table(folder / "rows.csv", rows)
    apart = [write_table(folder / f"row_{index}.csv", [row]) for index, row in enumerate(rows)]
    commands = {
        "a_command_a_clip": [
            [str(source), EXPRESSIONS[0], "--out", str(folder / "single" / source.stem), *system] for source in sources
        ],
        "list_in_one_process": [["--list", table, "--out", str(folder / "one"), "--jobs", "1", *system]],
        "list_in_processes": [["--list", table, "--out", str(folder / "many"), "--jobs", str(processes), *system]],
        "rows_of_one_clip": [["--list", together, "--out", str(folder / "rows"), "--jobs", "1", *system]],
        "a_list_a_row": [
            ["--list", each, "--out", str(folder / "row" / str(index)), *system] for index, each in enumerate(apart)
        ],
    }
    return {name: spent(each) for name, each in commands.items()}


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--model", default="s2rm_tiny")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments.clips, arguments.frames, arguments.processes, arguments.model)
    ratios = {
        key: {
            "list_over_commands": round(found["a_command_a_clip"][key] / found["list_in_one_process"][key], 3),
            "processes_over_one": round(found["list_in_one_process"][key] / found["list_in_processes"][key], 3),
            "rows_together_over_apart": round(found["a_list_a_row"][key] / found["rows_of_one_clip"][key], 3),
        }
        for key in ("wall_s", "processor_s")
    }
    setting = {name: getattr(arguments, name) for name in ("clips", "frames", "processes", "model")}
    figures = {"setting": {**setting, "size": CLIP_SIZE}, "seconds": found, "times": ratios}
    document = BENCHMARK.write(arguments.out, figures)
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
