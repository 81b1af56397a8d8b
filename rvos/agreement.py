"""Do the parts and the settings of a run agree? Asked before a video is opened or weights are loaded."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from rvos.faults import Faults
from rvos.reading import Propagator, find_propagator
from rvos.reading.key_frames import parse_key_frames
from rvos.settings import StreamSettings, key_of
from rvos.tracking import Tracker, find_tracker

_OF_WORDS = ("key_frames", "decode", "tracker_lookahead", "tracker_both_ways")


def agreed_parts(
    propagation: str, tracker: str, settings: StreamSettings
) -> tuple[type[Propagator[Any]], type[Tracker[Any]]]:
    """The propagator and the tracker of these names, where they and the settings can serve a video together.

    Raises all that is wrong in one: `UnknownNameError`, `ConfigError`.
    """
    faults = Faults()
    with faults.gathered():
        propagator_type = find_propagator(propagation)
    with faults.gathered():
        tracker_type = find_tracker(tracker)
    faults.raise_all()
    keys, every = settings.key_frames, settings.decode == "every"
    if not parse_key_frames(keys).sees_all:
        if every and not propagator_type.between_key_frames:
            faults.add(
                f"key_frames: came {keys}, but propagation '{propagation}' has nothing to show between key frames; "
                "wanted key_frames=all, decode=key, or another --propagation"
            )
        if not every and propagator_type.between_key_frames:
            faults.add(
                f"decode: came key with propagation '{propagation}', whose features nobody would decode; "
                "wanted --propagation none, or decode=every"
            )
        if not every and not tracker_type.between_decodes:
            faults.add(
                f"decode: came key, but tracker '{tracker}' has nothing to show on frames that are not decoded; "
                "wanted decode=every, or another --tracker"
            )
    if not tracker_type.looks_ahead:
        for name in ("tracker_lookahead", "tracker_both_ways"):
            value = getattr(settings, name)
            if value not in (0, "no"):
                faults.add(
                    f"{key_of(name)}: came {value}, but tracker '{tracker}' gains nothing from later frames; "
                    "leave it out, or choose another --tracker"
                )
    faults.raise_all()
    return propagator_type, tracker_type


def check_mask_settings(settings: StreamSettings) -> None:
    """Raise `ConfigError` for settings that mean nothing where objects are followed from masks."""
    faults = Faults()
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name in _OF_WORDS and value != field.default:
            came = str(value).lower()
            faults.add(f"{key_of(field.name)}: came {came} with masks, which are followed without it; leave it out")
    faults.raise_all()
