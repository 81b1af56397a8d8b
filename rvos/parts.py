"""The parts that know time, propagator and tracker: described, named, and asked whether and how they work together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from image_core.building import build
from image_core.errors import ConfigError
from image_core.faults import Faults
from image_core.lazy_table import LazyTable
from rvos.reading import DEFAULT as DEFAULT_PROPAGATION
from rvos.reading import PROPAGATORS
from rvos.reading.key_frames import AUTO, KeyFrames
from rvos.reading.propagation import Propagator
from rvos.tracking import DEFAULT as DEFAULT_TRACKER
from rvos.tracking import TRACKERS, known_tracker, tracker_type
from rvos.tracking.tracker import Tracker

SPARSE = KeyFrames(4)
"""`auto` where key frames are to lie apart. Proposed: `photo` takes 1 to 2 processor seconds a picture."""


@dataclass(frozen=True)
class PartConfig:
    """A propagator or a tracker, described."""

    name: str
    """As the table of its kind has it; of one that is in no table, `module:Class`."""
    numbers: Any
    """Of the part's `config_type`."""

    def document(self) -> dict[str, Any]:
        """As JSON values: `name` beside the numbers."""
        return {"name": self.name, **asdict(self.numbers)}


def propagation_config(name: str = DEFAULT_PROPAGATION, **numbers: Any) -> PartConfig:
    """A propagator by name, with what differs from its defaults.

    Raises `UnknownNameError` or `ConfigError`, all that is wrong in one.
    """
    known = PROPAGATORS.canonical_name(str(name))
    return _with_numbers(known, PROPAGATORS[known], "propagation", numbers)


def tracker_config(name: str = DEFAULT_TRACKER, **numbers: Any) -> PartConfig:
    """A tracker by name, with what differs from its defaults; nested numbers as mappings or dataclasses.

    >>> tracker_config("tracks", lookahead=4, meaning={"switch": 2.0})

    Raises `UnknownNameError` or `ConfigError`, all that is wrong in one.
    """
    known = known_tracker(str(name))
    return _with_numbers(known, tracker_type(known), "tracker", numbers)


def _with_numbers(name: str, part: type[Any], group: str, numbers: Mapping[str, Any]) -> PartConfig:
    if numbers and not fields(part.config_type):
        told = ", ".join(f"{group}.{key}" for key in numbers)
        raise ConfigError(f"{told}: {group} '{name}' has no numbers of its own; leave it out")
    return PartConfig(name, build(part.config_type, numbers, group))


def describe_propagation(part: str | PartConfig | Propagator[Any]) -> PartConfig:
    """The description of a propagator that is given by name, described, or as an object. Raises as by name."""
    if isinstance(part, Propagator):
        return PartConfig(_name_of(PROPAGATORS, type(part)), part.config)
    return propagation_config(part) if isinstance(part, str) else _described(part, PROPAGATORS)


def describe_tracker(part: str | PartConfig | Tracker[Any]) -> PartConfig:
    """The same of a tracker."""
    if isinstance(part, Tracker):
        return PartConfig(_name_of(TRACKERS, type(part)), part.config)
    return tracker_config(part) if isinstance(part, str) else _described(part, TRACKERS)


def _described(part: object, table: LazyTable[Any]) -> PartConfig:
    if isinstance(part, PartConfig):
        return part
    kind = part.__name__ if isinstance(part, type) else type(part).__name__
    raise ConfigError(
        f"{table.kind}: expected a name ({', '.join(table)}), rvos.parts.{table.kind}_config(...) or an object, "
        f"got {kind}"
    )


def _name_of(table: LazyTable[Any], kind: type) -> str:
    names = [name for name, entry in table.items() if entry is kind]
    return names[0] if names else f"{kind.__module__}:{kind.__qualname__}"


def read_like(
    key_frames: KeyFrames | None,
    decode: str,
    propagation: type[Propagator[Any]],
    tracker: type[Tracker[Any]],
    is_slow: Callable[[], bool],
) -> tuple[KeyFrames, str]:
    """Which frames the whole model sees, and what is decoded between them (every or key), where that was left open.

    key_frames: None for auto; decode: auto, every or key; is_slow: tells whether the model is, asked where it matters.
    Key frames lie apart where something reaches the frames between: the features of a propagator, or, for a slow model,
    the masks of a tracker.
    """
    between = propagation.between_key_frames
    if decode == AUTO:
        decode = "every" if between or not tracker.between_decodes else "key"
    if key_frames is None:
        carries = decode == "key" and tracker.between_decodes
        key_frames = SPARSE if between or (carries and is_slow()) else KeyFrames()
    return key_frames, "every" if key_frames.sees_all else decode


def check_agreement(
    key_frames: KeyFrames,
    decode: str,
    propagation: tuple[str, type[Propagator[Any]]],
    tracker: tuple[str, type[Tracker[Any]]],
) -> None:
    """Can a propagator and a tracker (name and class of each) serve a video that is read like this?

    Raises `ConfigError`, all contradictions in one.
    """
    if key_frames.sees_all:
        return
    faults, every = Faults(), decode == "every"
    between = propagation[1].between_key_frames
    if every and not between:
        faults.add(
            f"key_frames: expected all with propagation '{propagation[0]}', which has nothing to show between key "
            f"frames, got {key_frames}; choose key_frames=all, decode=key, or another --propagation"
        )
    if not every and between:
        faults.add(
            f"decode: expected every with propagation '{propagation[0]}', whose features nobody would decode, got key; "
            "choose decode=every, or --propagation none"
        )
    if not every and not tracker[1].between_decodes:
        faults.add(
            f"decode: expected every with tracker '{tracker[0]}', which has nothing to show on frames that are not "
            "decoded, got key; choose decode=every, or another --tracker"
        )
    faults.raise_all()
