"""Configs of propagators and trackers, and the check that they work together."""

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
from rvos.video.sampling import ALL_FRAMES, Sampling, Stride

SPARSE_KEY_FRAMES = KeyFrames(4)
"""The key frames of `auto` if not every frame is one. Our choice: `photo` takes 1 to 2 processor seconds per image."""


@dataclass(frozen=True)
class PartConfig:
    """The config of a propagator or a tracker."""

    name: str
    """Its name in the table; `module:Class` for a class that is in no table."""
    numbers: Any
    """The fields of its `config_type`."""

    def document(self) -> dict[str, Any]:
        """As JSON values: `name` beside the numbers."""
        return {"name": self.name, **asdict(self.numbers)}


def propagation_config(name: str = DEFAULT_PROPAGATION, **numbers: Any) -> PartConfig:
    """A propagator by name, with the numbers that differ from its defaults.

    Raises `UnknownNameError` or `ConfigError` with all errors in one message.
    """
    known = PROPAGATORS.canonical_name(str(name))
    return _with_numbers(known, PROPAGATORS[known], "propagation", numbers)


def tracker_config(name: str = DEFAULT_TRACKER, **numbers: Any) -> PartConfig:
    """A tracker by name, with the numbers that differ from its defaults; nested numbers as mappings or dataclasses.

    >>> tracker_config("tracks", lookahead=4, meaning={"switch": 2.0})

    Raises `UnknownNameError` or `ConfigError` with all errors in one message.
    """
    known = known_tracker(str(name))
    return _with_numbers(known, tracker_type(known), "tracker", numbers)


def _with_numbers(name: str, part: type[Any], group: str, numbers: Mapping[str, Any]) -> PartConfig:
    if numbers and not fields(part.config_type):
        told = ", ".join(f"{group}.{key}" for key in numbers)
        raise ConfigError(f"{told}: {group} '{name}' has no numbers of its own; leave it out")
    return PartConfig(name, build(part.config_type, numbers, group))


def describe_propagation(part: str | PartConfig | Propagator[Any]) -> PartConfig:
    """The config of a propagator that is given by name, as a config or as an object. Raises as `propagation_config`."""
    if isinstance(part, Propagator):
        return PartConfig(_name_of(PROPAGATORS, type(part)), part.config)
    return propagation_config(part) if isinstance(part, str) else _described(part, PROPAGATORS)


def describe_tracker(part: str | PartConfig | Tracker[Any]) -> PartConfig:
    """The config of a tracker that is given by name, as a config or as an object. Raises as `tracker_config`."""
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


@dataclass(frozen=True)
class Reading:
    """How the image model is applied along a video, by names or objects.

    key_frames: auto, all, every:K or adaptive:K; decode: auto, every or key; chunk: frames per batch; sampling: the
    video's, on which auto depends.
    """

    key_frames: str | KeyFrames = AUTO
    decode: str = AUTO
    propagation: str | PartConfig | Propagator[Any] = DEFAULT_PROPAGATION
    chunk: int = 1
    sampling: Sampling = ALL_FRAMES


def resolve_reading(
    key_frames: KeyFrames | None,
    decode: str,
    propagation: type[Propagator[Any]],
    tracker: type[Tracker[Any]],
    is_slow: Callable[[], bool],
    sampling: Sampling = ALL_FRAMES,
) -> tuple[KeyFrames, str]:
    """The key frames, and which frames are decoded (every or key), with `auto` resolved.

    key_frames: None for auto; decode: auto, every or key; is_slow: whether the model is slow, called only if needed.
    With `auto` not every frame is a key frame if a propagator passes features to the others, or if the model is slow
    and the tracker carries masks to them. A slow model runs on every fourth frame of the *video*: of sampled frames,
    which lie further apart, on more, and with `uniform` on all.
    """
    between = propagation.between_key_frames
    if decode == AUTO:
        decode = "every" if between or not tracker.between_decodes else "key"
    if key_frames is None:
        carries = decode == "key" and tracker.between_decodes
        if between:
            key_frames = SPARSE_KEY_FRAMES
        elif carries and is_slow() and isinstance(sampling, Stride):
            key_frames = KeyFrames(max(1, SPARSE_KEY_FRAMES.every // sampling.every))
        else:
            key_frames = KeyFrames()
    return key_frames, "every" if key_frames.all_frames else decode


def check_compatible(
    key_frames: KeyFrames,
    decode: str,
    propagation: tuple[str, type[Propagator[Any]]],
    tracker: tuple[str, type[Tracker[Any]]],
) -> None:
    """Check that a propagator and a tracker (name and class of each) work with these key frames and `decode`.

    Raises `ConfigError` with all contradictions in one message.
    """
    if key_frames.all_frames:
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
