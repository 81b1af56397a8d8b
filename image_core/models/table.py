"""The one table of models, and how a description of a model becomes the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from image_core.encoders.gru import build_gru_encoder
from image_core.encoders.text import build_text_encoder
from image_core.encoders.vision import build_vision_encoder
from image_core.errors import ConfigError, UnknownNameError
from image_core.models.base import EncoderModel
from image_core.models.partial_res import PartialRES, PartialResConfig
from image_core.models.s2rm import S2RM, S2RMConfig
from image_core.models.safari import Safari, SafariConfig
from image_core.models.seqtr import SeqTR, SeqTRConfig


@dataclass(frozen=True)
class ModelEntry:
    """A row of the table: the module (by keyword: vision, text, config) and its config."""

    module: Callable[..., EncoderModel]
    config: type


MODELS: dict[str, ModelEntry] = {
    "partial_res": ModelEntry(PartialRES, PartialResConfig),
    "s2rm": ModelEntry(S2RM, S2RMConfig),
    "safari": ModelEntry(Safari, SafariConfig),
    "seqtr": ModelEntry(SeqTR, SeqTRConfig),
}
"""Those of `KINDS`."""


@dataclass(frozen=True)
class EncoderConfig:
    """An encoder. Where its weights come from matters at training only: a checkpoint carries its own."""

    #: Of the vision or text encoders' table; a hub name or a folder for a text encoder of transformers.
    name: str
    #: Take the hub's weights.
    pretrained: bool = False
    #: Take those of a local file or folder (vision; a text encoder's folder is its name).
    folder: str | None = None
    #: For its builder's architecture.
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelConfig:
    """Everything that rebuilds a model but its weights; what a checkpoint stores."""

    #: Of `MODELS`.
    name: str
    vision: EncoderConfig
    text: EncoderConfig
    #: Fields of the model's config dataclass; the others keep their defaults.
    config: Mapping[str, Any] = field(default_factory=dict)
    #: The most word pieces of an expression; the rest is cut off.
    max_words: int = 20

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` gives an equal object back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> ModelConfig:
        """The inverse of `to_dict`. Raises `ConfigError` on fields that are not there or missing."""
        try:
            parts = dict(value)
            return cls(vision=EncoderConfig(**parts.pop("vision")), text=EncoderConfig(**parts.pop("text")), **parts)
        except (KeyError, TypeError) as error:
            raise ConfigError(f"model description {value!r} cannot be used: {error}") from error


def model_entry(name: str) -> ModelEntry:
    """The row of `name` (hyphens are accepted). Raises `UnknownNameError`, with the nearest name, if there is none."""
    entry = MODELS.get(name.replace("-", "_"))
    if entry is None:
        raise UnknownNameError("model", name, list(MODELS))
    return entry


def build_model(spec: ModelConfig, *, tokenizer_json: str | None = None) -> EncoderModel:
    """A model with fresh weights (encoders pretrained where the spec says so).

    tokenizer_json: the serialised tokenizer of a checkpoint, in place of the encoder's own. Raises `UnknownNameError`
    for a name that is in no table and `ConfigError` for a config field that the model does not have or cannot take.
    """
    entry = model_entry(spec.name)
    known = {f.name for f in fields(entry.config)}
    for key in spec.config:
        if key not in known:
            raise UnknownNameError(f"field of {entry.config.__name__}", key, sorted(known))
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in spec.config.items()}
    try:
        config = entry.config(**plain)
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from error
    vision = build_vision_encoder(
        spec.vision.name,
        pretrained=spec.vision.pretrained,
        folder=None if spec.vision.folder is None else Path(spec.vision.folder),
        options=spec.vision.options,
    )
    if spec.text.name == "gru":
        if spec.text.pretrained:
            raise ConfigError(
                "text encoder 'gru': expected pretrained=false (there are no published weights), got true"
            )
        text = build_gru_encoder(max_words=spec.max_words, options=spec.text.options, tokenizer_json=tokenizer_json)
    else:
        text = build_text_encoder(
            spec.text.name,
            pretrained=spec.text.pretrained,
            max_words=spec.max_words,
            options=spec.text.options,
            tokenizer_json=tokenizer_json,
        )
    try:
        return entry.module(vision=vision, text=text, config=config)
    except ValueError as error:  # parts that are well each by itself and do not fit each other
        raise ConfigError(f"model '{spec.name}': {error}") from error
