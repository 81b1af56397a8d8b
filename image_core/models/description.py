"""What a model is made of, without making it. Light to import: settings are read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from image_core.errors import ConfigError


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
