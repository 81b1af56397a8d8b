"""`rvos segment` and `rvos evaluate` killed at random moments and continued: checks that the output is the same to the
byte.

    python -m benchmarks.robustness.kills segment --kills 50
    python -m benchmarks.robustness.kills evaluate --kills 50

The reference is a run without interruption. Then, --kills times, the same command with an empty folder is killed by
SIGKILL after a random share of the processor time of the reference, and repeated until it ends. All files are compared
except those with timings. `segment` runs the embedded model on a clip of 60 frames, of which it keeps a snapshot;
`evaluate` on three short videos in the layout of Long-RVOS.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from benchmarks.robustness.seeds import VIDEOS, write_long_rvos, write_video
from image_core.errors import RvosError

BENCHMARK = Benchmark(__file__, __doc__)
_FRAMES = 60
_POLL_S = 0.002
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_OF_THE_CLOCK = {"timing.json", "report.html"}
"""Files with timings; the records of an evaluation have timings too."""


def commands(folder: Path) -> dict[str, list[str]]:
    """Name -> the arguments of the command, without --out. Its input is written under `folder`."""
    clip, data = folder / "clip.mp4", folder / "data"
    write_video(clip, *VIDEOS["h264.mp4"], frames=_FRAMES)
    write_long_rvos(data, videos=3)
    model = ["--model", "s2rm_tiny", "--device", "cpu", "--quiet"]
    save = ["--save", "overlay,contact_sheet,masks,palette", "--set", "key_frames=every:4"]
    return {
        "segment": ["segment", str(clip), "the red circle", *save, *model],
        "evaluate": ["evaluate", "long-rvos", "--root", str(data), "--workers", "1", *model],
    }


def started(arguments: list[str]) -> int:
    """Start a command in a process forked from this one, where slow imports are done. Returns the process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            from rvos.cli import main

            with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
                code = main(arguments)
        finally:
            os._exit(code)
    return child


def processor_seconds(child: int) -> float:
    """The processor time that a process has used so far."""
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def killed(arguments: list[str], after_s: float) -> bool:
    """Kill a command after `after_s` processor seconds. Returns whether it was killed; False if it ended before."""
    child = started(arguments)
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if processor_seconds(child) >= after_s:
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(_POLL_S)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def finished(arguments: list[str]) -> int:
    """Run the command to its end; its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(started(arguments), 0)[1])


def content(out: Path) -> dict[str, bytes]:
    """Path -> bytes of the files that must be the same."""
    found = (p for p in sorted(out.rglob("*")) if p.is_file())
    names = {p.relative_to(out): p for p in found if p.name not in _OF_THE_CLOCK and not p.name.startswith(".lock")}
    return {str(n): p.read_bytes() for n, p in names.items() if n.parts[0] != "records" and n.name != ".settings.lock"}


def measure(name: str, arguments: list[str], folder: Path, kills: int, random: Random) -> dict[str, Any]:
    """The figures of one command."""
    whole, out = folder / f"{name}_whole", folder / f"{name}_killed"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if finished([*arguments, "--out", str(whole)]) != 0:
        raise RvosError(f"{name}: the run without interruption failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wanted, met, other, failed = content(whole), 0, [], 0
    for number in range(kills):
        shutil.rmtree(out, ignore_errors=True)
        moment = random.uniform(0, took_s)
        met += killed([*arguments, "--out", str(out)], moment)
        if finished([*arguments, "--out", str(out)]) != 0:
            failed += 1
            continue
        found = content(out)
        differing = sorted(n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n))
        if differing:
            other.append({"moment_s": round(moment, 3), "files": differing[:5]})
        print(f"\r{name}: {number + 1} of {kills}, {len(other)} differ ", end="", file=sys.stderr, flush=True)
    figures = {"kills": kills, "met_while_running": met, "processor_s": round(took_s, 2), "files": len(wanted)}
    return figures | {"could_not_go_on": failed, "differ": len(other), "differing": other}


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("name", choices=("segment", "evaluate"), help="the command that is killed")
    parser.add_argument("--kills", type=int, default=50)
    parser.set_defaults(out=None)
    arguments = parser.parse_args()
    one_thread()
    import rvos.evaluation.run
    import rvos.run.job  # noqa: F401

    with tempfile.TemporaryDirectory() as place:
        folder, name = Path(place), arguments.name
        figures = measure(name, commands(folder)[name], folder, arguments.kills, Random(arguments.seed))
    out = arguments.out or BENCHMARK.result.with_stem(f"kills_{name}")
    BENCHMARK.write(out, {"seed": arguments.seed, **figures})
    print(name, figures)


if __name__ == "__main__":
    BENCHMARK.start(main)
