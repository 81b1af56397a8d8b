"""A video system: its whole description (`SystemConfig`), and the parts put together (`VideoSystem`)."""

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
    check_agreement,
    describe_propagation,
    describe_tracker,
    propagation_config,
    read_like,
    tracker_config,
)
from rvos.reading import DEFAULT as DEFAULT_PROPAGATION
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
MOST_TOGETHER = 1000
"""Frames of a chunk: all of them are held in memory."""


def _check_decode(value: str) -> None:
    if value not in (AUTO, "every", "key"):
        raise UnknownNameError("decode", str(value), [AUTO, "every", "key"])


def _check_chunk(value: int) -> None:
    if type(value) is not int or not 1 <= value <= MOST_TOGETHER:
        raise ConfigError(f"chunk: expected a whole number from 1 to {MOST_TOGETHER}, got {value!r}")


def _check_masker(value: str) -> None:
    if value != NO_MASKER:
        check_masker(value)


_TEXTS: dict[str, Callable[[str], Any]] = {
    "model": str,
    "device": check_device,
    "precision": check_precision,
    "sampling": parse_sampling,
    "key_frames": parse_key_frames,
    "decode": _check_decode,
    "masker": _check_masker,
}
"""The fields of `SystemConfig` that are texts, and what raises where a text cannot be."""
_CONFIGS: dict[str, type] = {
    "video": VideoConfig,
    "object_tracker": ObjectTrackerConfig,
    "refining": RefiningConfig,
}
"""Those that are settings of their own."""
OF_MASKS = ("object_tracker", "masker", "refining")
"""Those that count where objects are followed from masks."""


@dataclass(frozen=True)
class SystemConfig:
    """The whole description of a video system.

    Raises `ConfigError` or `UnknownNameError`: values that cannot be, and parts that contradict each other.
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
    after a cut or a large change), or auto: every:4 for a slow model, such as photo, and with a propagation; else
    all."""
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
                _TEXTS[key](getattr(self, key))
        with faults.gathered():
            _check_chunk(self.chunk)
        with faults.gathered():
            _check_decode(self.decode)
            propagation, tracker = PROPAGATORS[self.propagation.name], tracker_type(self.tracker.name)
            check_agreement(
                # What is chosen for a slow model alone agrees.
                *read_like(parse_key_frames(self.key_frames), self.decode, propagation, tracker, lambda: False),
                (self.propagation.name, propagation),
                (self.tracker.name, tracker),
            )
        faults.raise_all()

    @property
    def masks_need_a_network(self) -> bool:
        """Whether a network follows the objects of masks, or draws them anew."""
        return self.masker != NO_MASKER or bool(tracker_type(self.tracker.name).of_masks)

    def check_masks(self) -> None:
        """Raise `ConfigError`, all in one, for what means nothing where objects are followed from masks."""
        carries = tracker_type(self.tracker.name).of_masks
        usual = SystemConfig(tracker=tracker_config(self.tracker.name if carries else DEFAULT_TRACKER))
        faults = Faults()
        for key in ("key_frames", "decode", "chunk", "propagation", "tracker", *(OF_MASKS if carries else ())):
            mine, plain = (_document(getattr(system, key)) for system in (self, usual))
            for name in (name for name, value in mine.items() if plain.get(name) != value):
                if (key, name) == ("tracker", carries):
                    continue
                setting = f"{key}.{name}" if name not in ("", "name") else key
                faults.add(f"{setting}: got {mine[name]} with masks, which are followed without it; leave it out")
        if self.masker == NO_MASKER and self.refining != RefiningConfig():
            faults.add("refining: expected a masker that draws masks anew, got none: leave it out, or say masker=photo")
        faults.raise_all()

    def check_words(self) -> None:
        """Raise `ConfigError`, all in one, for what means nothing where words are asked."""
        faults, usual = Faults(), SystemConfig()
        keys = parse_key_frames(self.key_frames)
        if keys is not None and keys.sees_all and PROPAGATORS[self.propagation.name].between_key_frames:
            faults.add(
                f"propagation: got {self.propagation.name} with key_frames={self.key_frames}, which leaves no frames "
                "between: leave one of them out"
            )
        for key in OF_MASKS:
            mine, plain = (_document(getattr(system, key)) for system in (self, usual))
            for name in (name for name, value in mine.items() if plain[name] != value):
                setting = f"{key}.{name}" if name else key
                faults.add(f"{setting}: got {mine[name]} with expressions, which are followed without it; leave it out")
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
    if key == "chunk":
        _check_chunk(value)
        return value
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

    key_frames: auto, all, every:K or adaptive:K; decode: auto, every or key; chunk: frames that are read together.
    """

    key_frames: str | KeyFrames = AUTO
    decode: str = AUTO
    propagation: str | PartConfig | Propagator[Any] = DEFAULT_PROPAGATION
    chunk: int = 1


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
            numbers = self.tracker_config.numbers.for_model(self.model.of_project)
            self.tracker_config = replace(self.tracker_config, numbers=numbers)
        self.tracker = _tracker(tracker, self.tracker_config, self.model)
        self._read_like = partial(read_like, asked, reading.decode, type(self.propagator), type(self.tracker))
        check_agreement(
            *self._read_like(lambda: False),
            (self.propagation_config.name, type(self.propagator)),
            (self.tracker_config.name, type(self.tracker)),
        )
        self.chunk = reading.chunk
        self._told_words: set[str] = set()

    @cached_property
    def _chosen(self) -> tuple[KeyFrames, str]:
        return self._read_like(lambda: self.model.is_slow)

    @property
    def key_frames(self) -> KeyFrames:
        """Which frames the whole model sees. Where that is left to the model, one of Python is built and asked."""
        return self._chosen[0]

    @property
    def decode(self) -> str:
        """What is decoded between them: every or key."""
        return self._chosen[1]

    def load(self) -> None:
        """Load the model and what the tracker needs now. Raises `UnknownNameError`, `CheckpointError` or
        `ConfigError`."""
        _ = self.model.loaded
        self.tracker.load()

    def session(
        self, expressions: Sequence[str], *, apart: bool = False, candidates_of: Collection[int] = ()
    ) -> StreamSession:
        """A session for one video; apart, candidates_of: as in `StreamSession`. Words that the model says it does not
        know are logged, each once.

        Raises `RvosError` for expressions that cannot be asked, and `ConfigError` where the reading needs features and
        the model shows none.
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
        unseen = [word for word in self.unseen_words(expressions) if word not in self._told_words]
        if unseen:
            words = ", ".join(unseen)
            _LOG.warning("%s: this model does not know what that is; another may: see --model", words)
            self._told_words.update(unseen)
        return session

    def answers(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        """What the image model says of each expression on one picture (H, W, 3) uint8 RGB, whatever came before.
        Raises `RvosError` for expressions that cannot be asked, and as `ask` does."""
        check_expressions(expressions)
        return ask(self.model.loaded, image, self._questions(expressions))

    def unseen_words(self, expressions: Sequence[str]) -> list[str]:
        """The words that the model is asked and says it does not know, each once, in order."""
        return self.model.unseen_words(self._questions(expressions))

    def understood(self, expressions: Sequence[str]) -> list[dict[str, Any]] | None:
        """What each expression is taken to mean, as JSON values: what the model says of its question, and what the
        expression says of motion where the tracker judges it. None where there is nothing to tell."""
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
        if self.propagator.between_key_frames and not self.key_frames.sees_all and not self.model.has_features:
            raise ConfigError(
                f"propagation: expected none with the model {self.model.document()['name']}, which shows no features, "
                f"got {self.propagation_config.name}: leave it out"
            )
        from image_core.segmenter import ImageSegmenter  # here: they bring torch, and masks are followed without it
        from rvos.reading.reader import FeatureReader, MaskReader

        model = self.model.loaded
        if isinstance(model, ImageSegmenter):
            return FeatureReader(model, expressions, self.propagator, self.decode == "every")
        return MaskReader(model, expressions)

    def document(self) -> dict[str, Any]:
        """What results depend on, as JSON values; where they are computed is not among it."""
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
    """The tracker itself; one that has models of its own has them where the image model is, and as precise."""
    if isinstance(given, Tracker):
        return given
    if config.name in TRACKERS:
        return TRACKERS[config.name].built(config.numbers, model.device, model.asked_precision)
    return OF_HUB["hub"].named(config.name, config.numbers, model.device, model.asked_precision)
