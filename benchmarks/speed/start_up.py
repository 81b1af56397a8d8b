"""The cost of starting a command: processor seconds and memory until the first frame is processed.

python -m benchmarks.speed.start_up [--repeats 5] [--before DIR]

Each command runs --repeats times in a fresh process of one thread on one image of 96 x 160. The figures are medians, of
processor seconds, because other processes may use the cores. Commands that process no frames are measured to their end.
--before: another checkout, whose commands are measured in turns with those of this one. `photo` is left out without its
weights (`rvos models fetch photo`).

The result is start_up.json, beside this file.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import REPOSITORY
from image_core.weights.cache import WHOLE, state_of
from image_core.weights.manifest import BUNDLES

BENCHMARK = Benchmark(__file__, __doc__)

COMMANDS: dict[str, tuple[str, float]] = {
    "--help": ("--help", 0.5),
    "models": ("models", 1.0),
    "segment --mask": ("segment clip --mask 0=mask.png --out out --quiet", 1.0),
    "segment --model s2rm_tiny": ("segment clip circle --model s2rm_tiny --out out --quiet", 4.0),
    "segment --model photo": ("segment clip dog --model photo --out out --quiet", 5.0),
}
"""Name in the table -> the command line, and the aim in processor seconds."""

CHILD = """
import json, re, sys, time
from pathlib import Path

def told():
    # Not ru_maxrss, which begins with the size of the process that started this one.
    peak_kb = re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    return [time.process_time(), int(peak_kb[1]) / 1024]

from rvos.cli import main

began = []
if "segment" in sys.argv:
    from rvos.run.recording import Recording

    recorded = Recording.run
    Recording.run = lambda *given: (began.append(told()), recorded(*given))[1]
code = main(sys.argv[1:])
print(json.dumps([code, *(began or [told()])]), file=sys.stderr)
"""


def measured(words: str, folder: Path, checkout: Path) -> tuple[float, float]:
    """(processor seconds, peak MB) of a command line of a checkout, run in a folder, until it processes the first
    frame."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, *words.split()]
    with TemporaryDirectory(dir=folder) as out:
        command = [out if word == "out" else word for word in command]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    code, (seconds, mb) = json.loads(done.stderr.splitlines()[-1])
    if code:
        raise RuntimeError(done.stderr)
    return seconds, mb


def write_clip(folder: Path) -> None:
    """One image of noise with a square on it, as a folder, and the mask of the square."""
    (folder / "clip").mkdir()
    image = np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8)
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[30:60, 40:80] = 255
    image[mask > 0] = (0, 0, 255)
    cv2.imwrite(str(folder / "clip" / "00000.png"), image)
    cv2.imwrite(str(folder / "mask.png"), mask)


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--before", type=Path, help="another checkout, measured in turns with this one")
    arguments = parser.parse_args()
    checkouts = {"now": REPOSITORY} | ({"before": arguments.before.resolve()} if arguments.before else {})
    rows: dict[str, Any] = {}
    with TemporaryDirectory() as name:
        write_clip(Path(name))
        for row, (words, aim) in COMMANDS.items():
            if "photo" in words and state_of(BUNDLES["photo"]) != WHOLE:
                print("photo: left out without its weights: run rvos models fetch photo", file=sys.stderr)
                continue
            runs: dict[str, list[tuple[float, float]]] = {which: [] for which in checkouts}
            for _ in range(arguments.repeats):
                for which, checkout in checkouts.items():
                    runs[which].append(measured(words, Path(name), checkout))
            rows[row] = {"aim_s": aim} | {
                which: {
                    "processor_s": round(statistics.median(seconds for seconds, _ in each), 2),
                    "peak_mb": round(statistics.median(mb for _, mb in each)),
                }
                for which, each in runs.items()
            }
            print(row, rows[row], file=sys.stderr)
    print(json.dumps(BENCHMARK.write(arguments.out, {"repeats": arguments.repeats, "rows": rows}), indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
