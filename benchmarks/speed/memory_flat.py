"""Resident memory of `rvos segment` over a stream at 240p: it must not grow with the length of the video.

python -m benchmarks.speed.memory_flat [--frames 3000] [--arms NAME ...]

The demonstration's objects at 240 x 426, going back and forth, one expression, masks and overlay written. Each arm is
the command as a user gives it, one thread; the resident memory of its processes, children included, is read four times
a second together with how many frames are logged. Least squares over the frames from a fifth of the stream on (600 to
3,000) give the slope: at most 0.01 MB a frame. Takes about 7 processor minutes an arm, and one from a mask.
A curve's last jump is the end of the process, where torch's libraries are touched: it does not depend on the video.

The result is memory_flat.json with memory_flat.png, beside this file.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure

from benchmarks.harness.clips import EXPRESSIONS, write_demo_clip
from benchmarks.harness.command import Benchmark
from rvos.export import paths

BENCHMARK = Benchmark(__file__, __doc__)
SIZE = (240, 426)
SAVE = "overlay,masks"
MOST_MB_A_FRAME = 0.01
EVERY_S = 0.25
ARMS: dict[str, list[str]] = {
    "every frame, tracks": ["--model", "s2rm_tiny"],
    "affinity every:4, tracks": ["--model", "s2rm_tiny", "--propagation", "affinity", "--set", "key_frames=every:4"],
    "every frame, no tracker": ["--model", "s2rm_tiny", "--tracker", "none"],
    "from a mask": [],
}
"""Arm -> arguments beside the source; an arm without a model gets the mask of an object in place of an expression."""
Sample = tuple[int, float]
"""Frames logged, resident MB."""


def memory_samples(command: Sequence[str], log: Path, every_s: float = EVERY_S) -> list[Sample]:
    """Samples of a command's memory while it runs. Raises `SystemExit` if it fails."""
    samples, position, frames = [], 0, 0
    with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        while process.poll() is None:
            time.sleep(every_s)
            if log.is_file():
                with log.open("rb") as file:
                    file.seek(position)
                    new = file.read()
                position, frames = position + len(new), frames + new.count(b"\n")
            samples.append((frames, sum(map(resident_mb, family(process.pid)))))
    if process.returncode:
        raise SystemExit(f"{shlex.join(command)} failed with exit code {process.returncode}")
    return [sample for sample in samples if sample[0] and sample[1]]


def family(pid: int) -> Iterator[int]:
    """The ids of a process and all its descendants that still exist."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from family(int(child))


def resident_mb(pid: int) -> float:
    """Resident memory of one process, 0 if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def slope(samples: Sequence[Sample], first: int) -> float:
    """Least squares of memory over frames, MB a frame, from frame `first` on. Raises `ValueError` for fewer than three
    samples there."""
    frames, memory = np.array([s for s in samples if s[0] >= first], dtype=float).reshape(-1, 2).T
    if len(frames) < 3:
        raise ValueError(f"slope: expected 3 samples or more from frame {first} on, got {len(frames)}")
    return float(np.polyfit(frames, memory, 1)[0])


def thinned(samples: Sequence[Sample], count: int = 400) -> list[Sample]:
    """At most `count` samples, evenly spaced."""
    picked = np.unique(np.linspace(0, len(samples) - 1, count).round().astype(int))
    return [(samples[i][0], round(samples[i][1], 2)) for i in picked]


def draw(arms: Mapping[str, Mapping[str, Any]], first: int, path: Path) -> None:
    """Resident memory over frames, a line an arm; grey: what the slope is not taken over."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, arm in arms.items():
        frames, memory = zip(*arm["samples"], strict=True)
        axes.plot(frames, memory, lw=1, label=f"{name}: {1000 * arm['mb_a_frame']:+.2f} MB a 1,000 frames")
    axes.axvspan(0, first, color="0.9")
    axes.set_xlabel("frames")
    axes.set_ylabel("resident memory of all processes, MB")
    axes.set_ylim(0, None)
    axes.set_xlim(0, None)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    arguments = parser.parse_args()
    first = arguments.frames // 5
    arms: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write_demo_clip(clip, arguments.frames, SIZE)
        mask = Path(folder) / "mask.png"
        cv2.imwrite(str(mask), cv2.circle(np.zeros(SIZE, np.uint8), (SIZE[1] // 2, SIZE[0] // 2), 40, 255, -1))
        for name in arguments.arms:
            out = Path(folder) / name.replace(" ", "_")
            target = [EXPRESSIONS[0]] if "--model" in ARMS[name] else ["--mask", f"0={mask}"]
            arguments_of_command = ["segment", str(clip), *target, "--out", str(out), *ARMS[name]]
            start = time.perf_counter()
            command = [sys.executable, "-m", "rvos.cli", *arguments_of_command, "--save", SAVE, "--quiet"]
            samples = memory_samples(command, out / paths.FRAMES_LOG)
            arms[name] = {
                "mb_a_frame": round(slope(samples, first), 6),
                "peak_mb": round(max(memory for _, memory in samples), 1),
                "frames_per_s": round(arguments.frames / (time.perf_counter() - start), 1),
                "options": ARMS[name],
                "samples": thinned(samples),
            }
            print(name, {key: value for key, value in arms[name].items() if key != "samples"}, flush=True)
    measured = {
        "clip": {"size": SIZE, "frames": arguments.frames, "expressions": 1, "save": SAVE},
        "slope_from_frame": first,
        "most_mb_a_frame": MOST_MB_A_FRAME,
        "arms": arms,
    }
    BENCHMARK.write(arguments.out, measured, indent=None)
    draw(arms, first, arguments.out.with_suffix(".png"))
    grown = [name for name, arm in arms.items() if arm["mb_a_frame"] > MOST_MB_A_FRAME]
    if grown:
        raise SystemExit(f"memory of {', '.join(grown)} grew by more than {MOST_MB_A_FRAME} MB a frame")


if __name__ == "__main__":
    BENCHMARK.start(main)
