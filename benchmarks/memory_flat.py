"""Peak memory of `rvos segment` on a clip of 300 frames and on one of 3,000, each in a fresh process.

    python benchmarks/memory_flat.py [--model FILE] [--out benchmarks/memory_flat.json]

The clips are the demonstration's objects, going back and forth. All outputs are written. The figure that counts is the
growth: memory must not depend on the length of the video (at most 30 MB more).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from clips import EXPRESSIONS, write_clip
from machine import describe_machine

from image_core.weights import DEFAULT
from rvos.demo import SIZE

LENGTHS = (300, 3000)
MOST_GROWTH_MB = 30.0
OUTPUTS = "overlay,contact_sheet,masks,palette,compare"


def peak_mb(clip: Path, out: Path, model: str) -> float:
    """Highest resident memory, in MB, of one `rvos segment` in a process of its own."""
    command = [sys.executable, "-m", "rvos.cli", "segment", str(clip), *EXPRESSIONS, "--out", str(out)]
    with subprocess.Popen([*command, "--save", OUTPUTS, "--model", model, "--quiet"]) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"rvos segment failed with exit code {process.returncode}")
    return usage.ru_maxrss / 1024  # kilobytes on Linux


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for length in LENGTHS:
            clip, out = Path(folder) / f"{length}.mp4", Path(folder) / str(length)
            write_clip(clip, length, SIZE)
            peak = peak_mb(clip, out, arguments.model)
            timing = json.loads((out / "timing.json").read_text())
            runs.append({"frames": timing["frames"], "peak_rss_mb": round(peak, 1), "timing": timing})
    growth = runs[-1]["peak_rss_mb"] - runs[0]["peak_rss_mb"]
    result = {
        "command": "python benchmarks/memory_flat.py",
        "machine": describe_machine(),
        "size": list(SIZE),
        "expressions": len(EXPRESSIONS),
        "outputs": OUTPUTS.split(","),
        "runs": runs,
        "growth_mb": round(growth, 1),
        "most_growth_mb": MOST_GROWTH_MB,
    }
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    if growth > MOST_GROWTH_MB:
        raise SystemExit(f"memory grew by {growth:.1f} MB, wanted at most {MOST_GROWTH_MB}")


if __name__ == "__main__":
    main()
