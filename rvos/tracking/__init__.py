"""The table of trackers. A tracker turns the answers of an image model on single frames into the masks of a video."""

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
"""The class of the trackers whose names have the prefix `hub:`."""
DEFAULT = "tracks"
"""The one with the best results in `benchmarks/gain/real_video.py` and `video_gain.py`."""


def known_tracker(name: str) -> str:
    """The name as it is in the table; a name with the prefix `hub:` unchanged. Raises `UnknownNameError`."""
    if not name.startswith(PREFIX):
        return TRACKERS.canonical_name(name)
    check_name(name.removeprefix(PREFIX))
    return name


def tracker_type(name: str) -> type[Tracker[Any]]:
    """The class of a tracker. name: as returned by `known_tracker`."""
    return OF_HUB["hub"] if name.startswith(PREFIX) else TRACKERS[name]
