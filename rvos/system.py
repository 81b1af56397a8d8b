"""A video system: its config (`SystemConfig`), and the system that is built from it (`VideoSystem`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from image_core.adapters.masker_names import check_masker
from image_core.answer import MaskAnswer
from image_core.building import build
from image_core.data.words import check_expressions
from image_core.device_names import check_device, check_precision
from image_core.errors import ConfigError, UnknownNameError
from image_core.faults import Faults
from image_core.language.motion_parser import parse_timed
from image_core.mask_model import MaskModel, ask
from image_core.weights import DEFAULT
from rvos.image_model import ImageModelHandle
from rvos.parts import (
    PartConfig,
    Reading,
    check_compatible,
    describe_propagation,
    describe_tracker,
    propagation_config,
    resolve_reading,
    tracker_config,
)
from rvos.reading import PROPAGATORS
from rvos.reading.key_frames import AUTO, KeyFrames, parse_key_frames
from rvos.reading.propagation import Propagator
from rvos.tracking import DEFAULT as DEFAULT_TRACKER
from rvos.tracking import OF_HUB, TRACKERS, tracker_type
from rvos.tracking.carrying.object_tracker import ObjectTrackerConfig
from rvos.tracking.carrying.refining import NO_MASKER, RefiningConfig
from rvos.tracking.tracker import Tracker
from rvos.video.config import VideoConfig
from rvos.video.sampling import parse_sampling
from rvos.watch.session import StreamSession, questions

if TYPE_CHECKING:
    from rvos.reading.reader import Reader

_LOG = logging.getLogger(__name__)
MAX_CHUNK = 1000
"""Most frames of a chunk: all of them are in memory."""


def _check_decode(value: str) -> None:
    if value not in (AUTO, "every", "key"):
        raise UnknownNameError("decode", str(value), [AUTO, "every", "key"])


def _check_chunk(value: int) -> None:
    if type(value) is not int or not 1 <= value <= MAX_CHUNK:
        raise ConfigError(f"chunk: expected a whole number from 1 to {MAX_CHUNK}, got {value!r}")


def _check_masker(value: str) -> None:
    if value != NO_MASKER:
        check_masker(value)


_STRING_FIELDS: dict[str, Callable[[str], Any]] = {
    "model": str,
    "device": check_device,
    "precision": check_precision,
    "sampling": parse_sampling,
    "key_frames": parse_key_frames,
    "decode": _check_decode,
    "masker": _check_masker,
}
"""The string fields of `SystemConfig`, each with the function that raises for an invalid value."""
_CONFIG_FIELDS: dict[str, type] = {
    "video": VideoConfig,
    "object_tracker": ObjectTrackerConfig,
    "refining": RefiningConfig,
}
"""The fields that are configs themselves."""
MASK_FIELDS = ("object_tracker", "masker", "refining")
"""The fields that apply only if objects are followed from masks."""


@dataclass(frozen=True)
class SystemConfig:
    """The config of a video system.

    Raises `ConfigError` or `UnknownNameError` for invalid values, and for parts that contradict each other.
    """

    model: str = DEFAULT
    """photo, an embedded model's name, a model file, or module:factory."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:i."""
    precision: str = "fp32"
    """fp32 or bf16."""
    video: VideoConfig = field(default_factory=VideoConfig)
    sampling: str = "all"
    """Frames to process: all, stride:K (every K-th) or uniform:N (N, spread evenly over the video)."""
    key_frames: str = AUTO
    """Key frames, those on which the full image model runs: all, every:K, adaptive:K (at most K frames apart, sooner
    after a cut or a large change), or auto: every:4 for a slow model, such as photo (every:2 with sampling=stride:2,
    all with a larger stride or uniform:N), and with a propagation; else all."""
    decode: str = AUTO
    """Frames on which the model's mask decoder runs: every (also between key frames, on propagated features), key (only
    on key frames; between them the tracker carries the masks), or auto: every with a propagation, else key."""
    chunk: int = 1
    """Number of frames that the image model processes as one batch, 1 to 1000: for a GPU. The results of a batch come
    after its last frame; with 1, every frame has its result at once."""
    propagation: PartConfig = field(default_factory=propagation_config)
    tracker: PartConfig = field(default_factory=tracker_config)
    object_tracker: ObjectTrackerConfig = field(default_factory=ObjectTrackerConfig)
    """How objects are followed from masks."""
    masker: str = NO_MASKER
    """Network that redraws the tracked objects of masks every few frames: none, photo (MobileSAM), hub:OWNER/NAME or
    hub:FOLDER."""
    refining: RefiningConfig = field(default_factory=RefiningConfig)
    """How that is done."""

    def __post_init__(self) -> None:
        faults = Faults()
        for key in ("device", "precision", "sampling", "masker"):
            with faults.gathered():
                _STRING_FIELDS[key](getattr(self, key))
        with faults.gathered():
            _check_chunk(self.chunk)
        with faults.gathered():
            _check_decode(self.decode)
            propagation, tracker = PROPAGATORS[self.propagation.name], tracker_type(self.tracker.name)
            check_compatible(
                # The choice for a slow model is always valid.
                *resolve_reading(parse_key_frames(self.key_frames), self.decode, propagation, tracker, lambda: False),
                (self.propagation.name, propagation),
                (self.tracker.name, tracker),
            )
        faults.raise_all()

    @property
    def needs_network_for_masks(self) -> bool:
        """Whether a network carries the masks of objects, or redraws them."""
        return self.masker != NO_MASKER or bool(tracker_type(self.tracker.name).of_masks)

    def check_for_masks(self) -> None:
        """Raise `ConfigError`, with all errors in one message, for settings without effect with masks."""
        carries = tracker_type(self.tracker.name).of_masks
        usual = SystemConfig(tracker=tracker_config(self.tracker.name if carries else DEFAULT_TRACKER))
        faults = Faults()
        for key in ("key_frames", "decode", "chunk", "propagation", "tracker", *(MASK_FIELDS if carries else ())):
            mine, plain = (_document(getattr(system, key)) for system in (self, usual))
            for name in (name for name, value in mine.items() if plain.get(name) != value):
                if (key, name) == ("tracker", carries):
                    continue
                setting = f"{key}.{name}" if name not in ("", "name") else key
                faults.add(f"{setting}: got {mine[name]} with masks, which are followed without it; leave it out")
        if self.masker == NO_MASKER and self.refining != RefiningConfig():
            faults.add("refining: expected a masker that redraws masks, got none: leave it out, or set masker=photo")
        faults.raise_all()

    def check_for_expressions(self) -> None:
        """Raise `ConfigError`, with all errors in one message, for settings without effect with expressions."""
        faults, usual = Faults(), SystemConfig()
        keys = parse_key_frames(self.key_frames)
        if keys is not None and keys.all_frames and PROPAGATORS[self.propagation.name].between_key_frames:
            faults.add(
                f"propagation: got {self.propagation.name} with key_frames={self.key_frames}, with which every "
                "frame is a key frame: leave one of them out"
            )
        for key in MASK_FIELDS:
            mine, plain = (_document(getattr(system, key)) for system in (self, usual))
            for name in (name for name, value in mine.items() if plain[name] != value):
                setting = f"{key}.{name}" if name else key
                faults.add(f"{setting}: got {mine[name]} with expressions, which are followed without it; leave it out")
        faults.raise_all()


SETTINGS = tuple(f.name for f in fields(SystemConfig))
"""Names of the settings; those of video, propagation, tracker and object_tracker are groups."""


def build_config(plain: Mapping[str, Any], faults: Faults | None = None) -> SystemConfig:
    """A `SystemConfig` from plain values, as in YAML and on the command line; missing ones have their defaults.

    faults: errors found before. Raises, with all errors in one message, `UnknownNameError` for unknown names (with the
    nearest known one), and `ConfigError` for invalid values and for parts that contradict each other.
    """
    faults = faults or Faults()
    values: dict[str, Any] = {}
    # Contradictions are only checked between valid parts.
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
    if key == "chunk":
        _check_chunk(value)
        return value
    if key in _STRING_FIELDS:
        if not isinstance(value, str):
            raise ConfigError(f"{key}: expected a string, got {value!r}")
        _STRING_FIELDS[key](value)
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key}: expected settings ({key}.KEY=VALUE), got {value!r}")
    if key in _CONFIG_FIELDS:
        return build(_CONFIG_FIELDS[key], value, key)
    return propagation_config(**value) if key == "propagation" else tracker_config(**value)


class VideoSystem:
    """An image model, a reading and a tracker, by names or objects.

    model: a handle, which several systems may share; the model is loaded when it is first needed.

    Raises `UnknownNameError` or `ConfigError` with all errors in one message.
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
            asked = keys if isinstance(keys, KeyFrames) else parse_key_frames(keys)
        with faults.gathered():
            _check_decode(reading.decode)
        with faults.gathered():
            _check_chunk(reading.chunk)
        with faults.gathered():
            self.propagation_config = describe_propagation(reading.propagation)
        with faults.gathered():
            self.tracker_config = describe_tracker(tracker)
        faults.raise_all()
        self.propagator = _propagator(reading.propagation, self.propagation_config)
        self.model = model if isinstance(model, ImageModelHandle) else ImageModelHandle(model)
        if not isinstance(tracker, Tracker):
            numbers = self.tracker_config.numbers.for_model(self.model.project_identity)
            self.tracker_config = replace(self.tracker_config, numbers=numbers)
        self.tracker = _tracker(tracker, self.tracker_config, self.model)
        parts = type(self.propagator), type(self.tracker)
        self._resolve = partial(resolve_reading, asked, reading.decode, *parts, sampling=reading.sampling)
        check_compatible(
            *self._resolve(lambda: False),
            (self.propagation_config.name, type(self.propagator)),
            (self.tracker_config.name, type(self.tracker)),
        )
        self.chunk = reading.chunk
        self._reported_words: set[str] = set()

    @cached_property
    def _resolved(self) -> tuple[KeyFrames, str]:
        return self._resolve(lambda: self.model.is_slow)

    @property
    def key_frames(self) -> KeyFrames:
        """Which frames are key frames. For `auto`, a model in Python is built to find out whether it is slow."""
        return self._resolved[0]

    @property
    def decode(self) -> str:
        """Which frames are decoded: every or key."""
        return self._resolved[1]

    def load(self) -> None:
        """Load the model and what the tracker needs now. Raises `UnknownNameError`, `CheckpointError` or
        `ConfigError`."""
        _ = self.model.loaded
        self.tracker.load()

    def session(
        self, expressions: Sequence[str], *, apart: bool = False, candidates_of: Collection[int] = ()
    ) -> StreamSession:
        """A session for one video; apart, candidates_of: as in `StreamSession`. Words that the model reports as unknown
        are logged, each once.

        Raises `RvosError` for invalid expressions, and `ConfigError` if the propagator needs features that the model
        does not expose.
        """
        check_expressions(expressions)
        self.tracker.load()
        asked = self._questions(expressions)
        session = StreamSession(
            self._reader(asked),
            self.tracker,
            self.key_frames,
            expressions,
            apart=apart,
            chunk=self.chunk,
            candidates_of=candidates_of,
        )
        unseen = [word for word in self.unseen_words(expressions) if word not in self._reported_words]
        if unseen:
            words = ", ".join(unseen)
            _LOG.warning("%s: unknown to this model; another may know it: see --model", words)
            self._reported_words.update(unseen)
        return session

    def answers(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        """The image model's answer to each expression on an image (H, W, 3), uint8 RGB. Raises `RvosError` as `ask`."""
        check_expressions(expressions)
        return ask(self.model.loaded, image, self._questions(expressions))

    def unseen_words(self, expressions: Sequence[str]) -> list[str]:
        """The words of the questions that the model reports as unknown, each once, in order."""
        return self.model.unseen_words(self._questions(expressions))

    def understood(self, expressions: Sequence[str]) -> list[dict[str, Any]] | None:
        """How each expression is interpreted, as JSON values: by the model, and by the tracker if it judges motion.
        None if there is nothing to report."""
        asked = self._questions(expressions)
        told = self.model.understood(asked)
        pairs = zip(expressions, asked, strict=True)
        read = [
            {**parse_timed(text).document(), "asked": question} if question != text else {} for text, question in pairs
        ]
        if told is None and not any(read):
            return None
        return [{**model, **motion} for model, motion in zip(told or [{}] * len(read), read, strict=True)]

    def _questions(self, expressions: Sequence[str]) -> tuple[str, ...]:
        return questions(expressions, self.tracker, draws_candidates=not self.model.has_features)

    def _reader(self, expressions: Sequence[str]) -> Reader[Any]:
        if self.propagator.between_key_frames and not self.key_frames.all_frames and not self.model.has_features:
            raise ConfigError(
                f"propagation: expected none with the model {self.model.document()['name']}, which exposes no "
                f"features, got {self.propagation_config.name}: leave it out"
            )
        from image_core.segmenter import (
            ImageSegmenter,  # imported here: they import torch, which following masks does not need
        )
        from rvos.reading.reader import FeatureReader, MaskReader

        model = self.model.loaded
        if isinstance(model, ImageSegmenter):
            return FeatureReader(model, expressions, self.propagator, self.decode == "every")
        return MaskReader(model, expressions)

    def document(self) -> dict[str, Any]:
        """What results depend on, as JSON values, without the device."""
        return {
            "model": self.model.document(),
            "precision": self.model.precision,
            "key_frames": str(self.key_frames),
            "decode": self.decode,
            "chunk": self.chunk,
            "propagation": self.propagation_config.document(),
            "tracker": {"name": self.tracker_config.name, **self.tracker.document()},
        }


def _document(setting: Any) -> dict[str, Any]:
    """A field of `SystemConfig` as JSON values."""
    if isinstance(setting, str | int):
        return {"": setting}
    return setting.document() if isinstance(setting, PartConfig) else asdict(setting)


def _propagator(given: object, config: PartConfig) -> Propagator[Any]:
    return given if isinstance(given, Propagator) else PROPAGATORS[config.name](config.numbers)


def _tracker(given: object, config: PartConfig, model: ImageModelHandle) -> Tracker[Any]:
    """The tracker. If it has models of its own, they use the device and precision of the image model."""
    if isinstance(given, Tracker):
        return given
    if config.name in TRACKERS:
        return TRACKERS[config.name].from_config(config.numbers, model.device, model.requested_precision)
    return OF_HUB["hub"].named(config.name, config.numbers, model.device, model.requested_precision)
