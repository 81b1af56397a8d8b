"""Time in masks: the table of trackers, which say how what was answered on one frame bears on the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from image_core.lazy_table import LazyTable

if TYPE_CHECKING:
    from rvos.tracking.tracker import Tracker


def _memory() -> type[Tracker[Any]]:
    from rvos.tracking.memory import MemoryTracker

    return MemoryTracker


def _none() -> type[Tracker[Any]]:
    from rvos.tracking.tracker import NoTracker

    return NoTracker


TRACKERS = LazyTable("tracker", {"memory": _memory, "none": _none})
DEFAULT = "memory"
"""The one that won (`benchmarks/video_gain.py`)."""


def find_tracker(name: str) -> type[Tracker[Any]]:
    """The tracker called `name` (hyphens count as underscores). Raises `UnknownNameError`."""
    return TRACKERS.find(name)
