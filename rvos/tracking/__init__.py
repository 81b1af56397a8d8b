"""Time in masks: the table of trackers, which say how what was answered on one frame bears on the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from image_core.lazy_table import LazyTable

if TYPE_CHECKING:
    from rvos.tracking.tracker import Tracker

TRACKERS: LazyTable[type[Tracker[Any]]] = LazyTable(
    "tracker",
    {
        "tracks": "rvos.tracking.tracks:TracksTracker",
        "none": "rvos.tracking.tracker:NoTracker",
    },
)
DEFAULT = "tracks"
"""The one that won (`benchmarks/gain/real_video.py`, `video_gain.py`)."""
