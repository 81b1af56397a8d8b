"""Time in masks: how what was predicted on one frame bears on the next."""

from __future__ import annotations

from typing import Any

from image_core.errors import UnknownNameError
from rvos.tracking.memory import MemoryTracker
from rvos.tracking.tracker import NoTracker, Tracker

__all__ = ["TRACKERS", "MemoryTracker", "NoTracker", "Tracker", "find_tracker"]

TRACKERS: dict[str, type[Tracker[Any]]] = {"memory": MemoryTracker, "none": NoTracker}


def find_tracker(name: str) -> type[Tracker[Any]]:
    """The tracker called `name` (hyphens count as underscores). Raises `UnknownNameError`."""
    found = TRACKERS.get(name.replace("-", "_"))
    if found is None:
        raise UnknownNameError("tracker", name, list(TRACKERS))
    return found
