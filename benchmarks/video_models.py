"""Other image models through the gain benchmark: thresholds of their own, then figures on videos that chose nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from video_systems import SYSTEMS

from image_core.segmenter import find_model

SEEDS = {"tuned": 0, "measured": 1}
"""Of the validation videos. Nothing of the test split is looked at."""


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
    subprocess.run([sys.executable, str(Path(__file__).with_name("video_gain.py")), *arguments], check=True)
