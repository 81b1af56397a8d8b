"""The presence thresholds of the systems, chosen on validation videos by one criterion for all of them.

At least `WANTED` of all visible targets of the stable expressions have to be shown; of such thresholds the one that
shows least on frames without a target is chosen, of equals the lowest. So systems are compared at equal T-acc. A system
that shows fewer targets at every threshold gets the threshold that shows most.
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
"""The figure of a choice that is reported beside T-acc and N-acc."""
WANTED = 0.95
NEVER_GATED = Thresholds(0.0, 0.0)


def choose(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """System -> its thresholds, T-acc and N-acc there, and J&F over all frames there and without a gate, of rows of
    `work.tune`."""
    chosen = {}
    for name in dict.fromkeys(row["system"] for row in rows):
        of_system = [row for row in rows if row["system"] == name]
        grid = SYSTEMS[name].grid
        t_acc, n_acc = (_shares(of_system, key) for key in ("there", "away"))
        n_acc = 1 - n_acc
        enough = np.flatnonzero(t_acc >= min(WANTED, t_acc.max()))
        best = int(enough[np.argmax(n_acc[enough])])
        j_and_f = np.mean([row[CRITERION] for row in of_system], axis=0)
        chosen[name] = {
            "on": grid[best].on,
            "off": grid[best].off,
            "T-acc": round(float(t_acc[best]), 4),
            "N-acc": round(float(n_acc[best]), 4),
            CRITERION: round(float(j_and_f[best]), 4),
            "never_gated": round(float(j_and_f[grid.index(NEVER_GATED)]), 4),
        }
    return chosen


def levels_of(rows: Sequence[Row], system: str) -> list[tuple[float, float]]:
    """(T-acc, threshold) of a system with one threshold, from the lowest threshold on."""
    of_system = [row for row in rows if row["system"] == system]
    shares = _shares(of_system, "there")
    return [(round(float(t), 4), level.on) for t, level in zip(shares, SYSTEMS[system].grid, strict=True)]


def _shares(rows: Sequence[Row], where: str) -> np.ndarray:
    """For each threshold of the grid, the share of the frames with (or without) the target on which a mask is shown."""
    shown = np.sum([row[f"shown_{where}"] for row in rows], axis=0)
    return shown / max(1, sum(row[f"frames_{where}"] for row in rows))


def write(model_sha256: str, made_with: dict[str, Any], chosen: dict[str, dict[str, float]], file: Path = FILE) -> None:
    """Write the chosen thresholds of a model. Systems that were not tuned keep theirs if the generator is the same."""
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
    """System -> its thresholds. Raises `ConfigError` if one of `names` has none for this model and this generator."""
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
