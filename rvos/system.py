"""A video system: its whole description (`SystemConfig`), and the parts put together (`VideoSystem`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from image_core.building import build
from image_core.device import check_device, check_precision
from image_core.errors import ConfigError, UnknownNameError
from image_core.faults import Faults
from image_core.mask_model import MaskModel
from image_core.segmenter import ImageSegmenter
from image_core.weights import DEFAULT
from rvos.image_model import ImageModelHandle
from rvos.parts import (
    PartConfig,
    check_agreement,
    describe_propagation,
    describe_tracker,
    propagation_config,
    tracker_config,
)
from rvos.reading import DEFAULT as DEFAULT_PROPAGATION
from rvos.reading import PROPAGATORS
from rvos.reading.key_frames import KeyFrames, parse_key_frames
from rvos.reading.propagation import Propagator
from rvos.reading.reader import FeatureReader, MaskReader, Reader
from rvos.tracking import DEFAULT as DEFAULT_TRACKER
from rvos.tracking import TRACKERS
from rvos.tracking.object_tracker import ObjectTrackerConfig
from rvos.tracking.tracker import Tracker
from rvos.video.config import VideoConfig
from rvos.video.sampling import parse_sampling
from rvos.watch.session import StreamSession

_LOG = logging.getLogger(__name__)


def _check_decode(value: str) -> None:
    if value not in ("every", "key"):
        raise UnknownNameError("decode", value, ["every", "key"])


_TEXTS: dict[str, Callable[[str], Any]] = {
    "model": str,
    "device": check_device,
    "precision": check_precision,
    "sampling": parse_sampling,
    "key_frames": parse_key_frames,
    "decode": _check_decode,
}
"""The fields of `SystemConfig` that are texts, and what raises where a text cannot be."""
_CONFIGS: dict[str, type] = {"video": VideoConfig, "object_tracker": ObjectTrackerConfig}
"""Those that are settings of their own."""


@dataclass(frozen=True)
class SystemConfig:
    """The whole description of a video system.

    Raises `ConfigError` or `UnknownNameError`: values that cannot be, and parts that contradict each other.
    """

    model: str = DEFAULT
    """An embedded model's name, a model file, or module:factory."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:i."""
    precision: str = "fp32"
    """fp32 or bf16."""
    video: VideoConfig = field(default_factory=VideoConfig)
    sampling: str = "all"
    """Which frames are watched: all, stride:K or uniform:N."""
    key_frames: str = "all"
    """Which of those the whole model sees: all, every:K, or adaptive:K (at most K apart, sooner where the picture
    changes)."""
    decode: str = "every"
    """What is decoded between key frames: every (all frames, from propagated features) or key (none, the tracker
    carries the masks)."""
    propagation: PartConfig = field(default_factory=propagation_config)
    tracker: PartConfig = field(default_factory=tracker_config)
    object_tracker: ObjectTrackerConfig = field(default_factory=ObjectTrackerConfig)
    """How objects are followed from masks."""

    def __post_init__(self) -> None:
        faults = Faults()
        for key in ("device", "precision", "sampling"):
            with faults.gathered():
                _TEXTS[key](getattr(self, key))
        with faults.gathered():
            _check_decode(self.decode)
            check_agreement(
                parse_key_frames(self.key_frames),
                self.decode,
                (self.propagation.name, PROPAGATORS[self.propagation.name]),
                (self.tracker.name, TRACKERS[self.tracker.name]),
            )
        faults.raise_all()

    def check_masks(self) -> None:
        """Raise `ConfigError`, all in one, for what means nothing where objects are followed from masks."""
        faults, usual = Faults(), SystemConfig()
        for key in ("key_frames", "decode", "propagation", "tracker"):
            mine, plain = getattr(self, key), getattr(usual, key)
            mine, plain = ({"": v} if isinstance(v, str) else v.document() for v in (mine, plain))
            for name in (name for name, value in mine.items() if plain.get(name) != value):
                setting = f"{key}.{name}" if name not in ("", "name") else key
                faults.add(f"{setting}: got {mine[name]} with masks, which are followed without it; leave it out")
        faults.raise_all()

    def check_words(self) -> None:
        """Raise `ConfigError`, all in one, for what means nothing where words are asked."""
        faults, usual = Faults(), asdict(ObjectTrackerConfig())
        for name, value in asdict(self.object_tracker).items():
            if value != usual[name]:
                got = f"got {value} with expressions"
                faults.add(f"object_tracker.{name}: {got}, which are followed without it; leave it out")
        faults.raise_all()


SETTINGS = tuple(f.name for f in fields(SystemConfig))
"""Video, propagation, tracker and object_tracker have settings of their own below them."""


def config_of(plain: Mapping[str, Any], faults: Faults | None = None) -> SystemConfig:
    """A description from plain values, as YAML and the command line give them; what is left out has its default.

    faults: what was found wrong before. Raises, all in one, `UnknownNameError` for names that are not there (the
    nearest is named) and `ConfigError` for values that cannot be, and for parts that contradict each other.
    """
    faults = faults or Faults()
    values: dict[str, Any] = {}
    # A part that is not known contradicts no other.
    known = not faults
    for key, value in plain.items():
        with faults.gathered():
            values[key] = _field_of(key, value)
    agreeing = ("key_frames", "decode", "propagation", "tracker")
    if known and all(key in values for key in agreeing if key in plain):
        with faults.gathered():
            SystemConfig(**values)
    faults.raise_all()
    return SystemConfig(**values)


def _field_of(key: str, value: Any) -> Any:
    """One field of `SystemConfig` from its plain value."""
    if key not in SETTINGS:
        raise UnknownNameError("setting", key, list(SETTINGS))
    if key in _TEXTS:
        if not isinstance(value, str):
            raise ConfigError(f"{key}: expected a text, got {value!r}")
        _TEXTS[key](value)
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key}: expected settings ({key}.KEY=VALUE), got {value!r}")
    if key in _CONFIGS:
        return build(_CONFIGS[key], value, key)
    return propagation_config(**value) if key == "propagation" else tracker_config(**value)


@dataclass(frozen=True)
class Reading:
    """Which frames the whole model sees, and what the frames between get: texts and names, or objects.

    key_frames: all, every:K or adaptive:K; decode: every or key.
    """

    key_frames: str | KeyFrames = "all"
    decode: str = "every"
    propagation: str | PartConfig | Propagator[Any] = DEFAULT_PROPAGATION


class VideoSystem:
    """An image model, a reading and a tracker that can serve a video together: names or objects.

    model: a handle, which several systems may share; the model is loaded when it is first needed.

    Raises `UnknownNameError` or `ConfigError`, all that is wrong in one.
    """

    def __init__(
        self,
        model: str | Path | MaskModel | ImageModelHandle = DEFAULT,
        reading: Reading | None = None,
        tracker: str | PartConfig | Tracker[Any] = DEFAULT_TRACKER,
    ) -> None:
        reading = reading or Reading()
        keys, faults = reading.key_frames, Faults()
        with faults.gathered():
            self.key_frames = keys if isinstance(keys, KeyFrames) else parse_key_frames(keys)
        with faults.gathered():
            _check_decode(reading.decode)
        with faults.gathered():
            self.propagation_config = describe_propagation(reading.propagation)
        with faults.gathered():
            self.tracker_config = describe_tracker(tracker)
        faults.raise_all()
        self.propagator = _propagator(reading.propagation, self.propagation_config)
        self.tracker = _tracker(tracker, self.tracker_config)
        check_agreement(
            self.key_frames,
            reading.decode,
            (self.propagation_config.name, type(self.propagator)),
            (self.tracker_config.name, type(self.tracker)),
        )
        self.decode = reading.decode
        self.model = model if isinstance(model, ImageModelHandle) else ImageModelHandle(model)
        self._told_words: set[str] = set()

    def load(self) -> None:
        """Load the model now. Raises `UnknownNameError`, `CheckpointError` or `ConfigError`."""
        _ = self.model.loaded

    def session(self, expressions: Sequence[str]) -> StreamSession:
        """A session for one video. Words that the model says it does not know are logged, each once.

        Raises `RvosError` for expressions that cannot be asked, and `ConfigError` where the reading needs features and
        the model shows none.
        """
        session = StreamSession(self._reader(expressions), self.tracker, self.key_frames)
        unseen = [word for word in self.model.unseen_words(expressions) if word not in self._told_words]
        if unseen:
            _LOG.warning("%s: not among the words this model was trained on", ", ".join(unseen))
            self._told_words.update(unseen)
        return session

    def _reader(self, expressions: Sequence[str]) -> Reader[Any]:
        model, every = self.model.loaded, self.decode == "every"
        if isinstance(model, ImageSegmenter):
            return FeatureReader(model, expressions, self.propagator, every)
        if self.propagator.between_key_frames and not self.key_frames.sees_all:
            raise ConfigError(
                f"propagation: expected none with the model {self.model.document()['name']}, which shows no features, "
                f"got {self.propagation_config.name}; choose decode=key, or key_frames=all"
            )
        return MaskReader(model, expressions)

    def document(self) -> dict[str, Any]:
        """What results depend on, as JSON values; where they are computed is not among it."""
        return {
            "model": self.model.document(),
            "precision": self.model.precision,
            "key_frames": str(self.key_frames),
            "decode": self.decode,
            "propagation": self.propagation_config.document(),
            "tracker": self.tracker_config.document(),
        }


def _propagator(given: object, config: PartConfig) -> Propagator[Any]:
    return given if isinstance(given, Propagator) else PROPAGATORS[config.name](config.numbers)


def _tracker(given: object, config: PartConfig) -> Tracker[Any]:
    return given if isinstance(given, Tracker) else TRACKERS[config.name](config.numbers)
