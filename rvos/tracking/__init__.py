"""Time in masks: the table of trackers, which say how what was answered on one frame bears on the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from image_core.lazy_table import LazyTable
from rvos.tracking.hub.kinds import PREFIX, check_name

if TYPE_CHECKING:
    from rvos.tracking.hub.tracks import HubTracks
    from rvos.tracking.tracker import Tracker

TRACKERS: LazyTable[type[Tracker[Any]]] = LazyTable(
    "tracker",
    {
        "tracks": "rvos.tracking.tracks:TracksTracker",
        "none": "rvos.tracking.tracker:NoTracker",
    },
)
OF_HUB: LazyTable[type[HubTracks]] = LazyTable("tracker", {"hub": "rvos.tracking.hub.tracks:HubTracks"})
"""What a name with the prefix `hub:` makes."""
DEFAULT = "tracks"
"""The one that won (`benchmarks/gain/real_video.py`, `video_gain.py`)."""


def known_tracker(name: str) -> str:
    """The name as the table has it, or as it is behind `hub:`. Raises `UnknownNameError`."""
    if not name.startswith(PREFIX):
        return TRACKERS.known(name)
    check_name(name.removeprefix(PREFIX))
    return name


def tracker_type(name: str) -> type[Tracker[Any]]:
    """The class of a tracker by a name that is known."""
    return OF_HUB["hub"] if name.startswith(PREFIX) else TRACKERS[name]
