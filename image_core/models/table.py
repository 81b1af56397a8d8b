"""The one table of models, and how a description of a model becomes the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from image_core.encoders.gru import build_gru_encoder
from image_core.encoders.text import build_text_encoder
from image_core.encoders.vision import build_vision_encoder
from image_core.errors import ConfigError, UnknownNameError
from image_core.models.base import EncoderModel
from image_core.models.cgformer import CGFormer, CGFormerConfig
from image_core.models.description import ModelConfig
from image_core.models.haris import Haris, HarisConfig
from image_core.models.lavt import Lavt, LavtConfig
from image_core.models.partial_res import PartialRES, PartialResConfig
from image_core.models.rela import Rela, RelaConfig
from image_core.models.s2rm import S2RM, S2RMConfig
from image_core.models.safari import Safari, SafariConfig
from image_core.models.seqtr import SeqTR, SeqTRConfig


@dataclass(frozen=True)
class ModelEntry:
    """A row of the table: the model's class, which is built by keyword (vision, text, config), and its config class."""

    module: Callable[..., EncoderModel]
    config: type


MODELS: dict[str, ModelEntry] = {
    "cgformer": ModelEntry(CGFormer, CGFormerConfig),
    "haris": ModelEntry(Haris, HarisConfig),
    "lavt": ModelEntry(Lavt, LavtConfig),
    "partial_res": ModelEntry(PartialRES, PartialResConfig),
    "rela": ModelEntry(Rela, RelaConfig),
    "s2rm": ModelEntry(S2RM, S2RMConfig),
    "safari": ModelEntry(Safari, SafariConfig),
    "seqtr": ModelEntry(SeqTR, SeqTRConfig),
}
"""Name -> row. The names are those of `KINDS`."""


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
    field_names = {f.name for f in fields(entry.config)}
    for key in spec.config:
        if key not in field_names:
            raise UnknownNameError(f"field of {entry.config.__name__}", key, sorted(field_names))
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
    except ValueError as error:  # each part is valid by itself, but they do not fit together
        raise ConfigError(f"model '{spec.name}': {error}") from error
