"""The presence threshold for a wanted T-acc, by image model, as measured on validation videos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from image_core.files import write_atomic
from image_core.identity import ModelIdentity

FILE = Path(__file__).with_name("presence_levels.json")
DEFAULT_THRESHOLD = 0.5
"""The threshold for models without such a measurement: the target is shown if it is more likely present than absent."""


def presence_threshold_for(model: ModelIdentity | None, wanted_t_acc: float, file: Path = FILE) -> float:
    """The presence threshold, [0, 1], at which the share `wanted_t_acc` of all visible targets was shown on validation
    videos.

    model: one of this project. Returns `DEFAULT_THRESHOLD` for None, for a model without a measurement and for another
    revision.
    """
    known = json.loads(file.read_text()) if model is not None and file.is_file() else {}
    entry = known.get(model.name) if model is not None else None
    if model is None or entry is None or entry["revision"] != model.revision:
        return DEFAULT_THRESHOLD
    shares, levels = zip(*sorted((share, -level) for share, level in entry["levels"]), strict=True)
    return round(float(-np.interp(wanted_t_acc, shares, levels)), 4)


def write_levels(
    name: str, revision: str, found_by: str, levels: Sequence[tuple[float, float]], file: Path = FILE
) -> None:
    """Write the measurement of a model. levels: (T-acc, threshold) pairs; found_by: the command that measured them."""
    known = json.loads(file.read_text()) if file.is_file() else {}
    known[name] = {"revision": revision, "found_by": found_by, "levels": [list(level) for level in levels]}
    write_atomic(file, (json.dumps(known, indent=1) + "\n").encode())
