"""What a model is made of, without making it. Light to import: settings are read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from image_core.errors import ConfigError


@dataclass(frozen=True)
class EncoderConfig:
    """An encoder. The source of its weights matters only when training starts: a checkpoint contains them."""

    #: A name in the table of vision or text encoders; for a text encoder of transformers a hub name or a folder.
    name: str
    #: Load the hub's weights.
    pretrained: bool = False
    #: Load weights from a local file or folder. For vision encoders; a text encoder's folder is its `name`.
    folder: str | None = None
    #: Options of its architecture, which its builder reads.
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelConfig:
    """Everything that is needed to rebuild a model, except its weights. A checkpoint stores it."""

    #: A name in `MODELS`.
    name: str
    vision: EncoderConfig
    text: EncoderConfig
    #: Fields of the model's config dataclass; the others keep their defaults.
    config: Mapping[str, Any] = field(default_factory=dict)
    #: Maximum number of word pieces of an expression; the rest is cut off.
    max_words: int = 20

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` gives an equal object back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> ModelConfig:
        """The inverse of `to_dict`. Raises `ConfigError` for unknown or missing fields."""
        try:
            parts = dict(value)
            return cls(vision=EncoderConfig(**parts.pop("vision")), text=EncoderConfig(**parts.pop("text")), **parts)
        except (KeyError, TypeError) as error:
            raise ConfigError(f"model description {value!r} cannot be used: {error}") from error
