"""The presence thresholds of the systems, chosen on validation videos by one criterion for all of them.

The criterion is the mean of J&F over all frames of the stable expressions, absent targets among them: a target that is
lost costs what its mask was worth, a mask without a target costs a whole frame. Of equals the lowest is taken.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gain.systems import SYSTEMS, Thresholds
from benchmarks.harness.rows import Row
from image_core.errors import ConfigError
from image_core.files import write_atomic

FILE = Path(__file__).with_name("video_thresholds.json")
CRITERION = "J&F_all_frames"
NEVER_GATED = Thresholds(0.0, 0.0)


def choose(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """System -> its thresholds and the criterion there and without a gate, of rows that `work.tune` made."""
    values: dict[str, list[list[float]]] = {}
    for row in rows:
        values.setdefault(row["system"], []).append(row[CRITERION])
    chosen = {}
    for name, of_system in values.items():
        means = np.mean(of_system, axis=0)
        best = SYSTEMS[name].grid[int(np.argmax(means))]
        chosen[name] = {"on": best.on, "off": best.off, CRITERION: round(float(means.max()), 4)}
        chosen[name]["never_gated"] = round(float(means[SYSTEMS[name].grid.index(NEVER_GATED)]), 4)
    return chosen


def write(model_sha256: str, made_with: dict[str, Any], chosen: dict[str, dict[str, float]], file: Path = FILE) -> None:
    """Enter what was chosen for a model. Systems that were not tuned now keep what they had on the same generator."""
    document = json.loads(file.read_text()) if file.is_file() else {"criterion": CRITERION, "models": {}}
    before = document["models"].get(model_sha256, {})
    same = before.get("generator_sha256") == made_with["generator_sha256"]
    entered = {name: values | {"made_with": made_with} for name, values in chosen.items()}
    document["models"][model_sha256] = {
        "generator_sha256": made_with["generator_sha256"],
        "systems": (before["systems"] if same else {}) | entered,
    }
    write_atomic(file, (json.dumps(document, indent=1) + "\n").encode())


def read(model_sha256: str, generator_sha256: str, names: Sequence[str], file: Path = FILE) -> dict[str, Thresholds]:
    """System -> its thresholds, of all that have some. Raises `ConfigError` where one of `names` has none for this
    model and this generator."""
    document = json.loads(file.read_text()) if file.is_file() else {"models": {}}
    entry = document["models"].get(model_sha256, {})
    chosen = entry.get("systems", {}) if entry.get("generator_sha256") == generator_sha256 else {}
    whose = {name: system.tuned_as or name for name, system in SYSTEMS.items()}
    wanted = dict.fromkeys(whose[name] for name in names)
    missing = [name for name in wanted if SYSTEMS[name].is_tuned and name not in chosen]
    if missing:
        raise ConfigError(
            f"thresholds: expected some for this model and this generator, got none of {', '.join(missing)}; "
            f"choose them first: --tune --systems {' '.join(missing)}"
        )
    return {
        name: Thresholds(chosen[of]["on"], chosen[of]["off"]) if of in chosen else SYSTEMS[name].grid[0]
        for name, of in whose.items()
        if of in chosen or not SYSTEMS[of].is_tuned
    }
