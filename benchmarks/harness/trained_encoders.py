"""A model with random weights and the encoders of another model file, as a start of training."""

from __future__ import annotations

from pathlib import Path

import torch

from image_core.checkpoint import Provenance, load_model, save_model, without_weights
from image_core.errors import ConfigError
from image_core.models.base import EncoderModel
from image_core.models.table import build_model
from image_core.training.config import TrainConfig


def with_encoders_of(model: Path, settings: TrainConfig, out: Path) -> None:
    """Write the model that the settings describe, drawn from their seed, with the vision and text encoder of `model`.

    Raises `ConfigError` if the settings have other encoders.
    """
    given = load_model(model)
    spec = without_weights(settings.model)
    if (spec.vision, spec.text, spec.max_words) != (given.spec.vision, given.spec.text, given.spec.max_words):
        raise ConfigError(f"encoders: expected those of the {spec.name} of the settings, got those of {model}")
    if not isinstance(given.model, EncoderModel):
        raise ConfigError(f"encoders: expected a model of two encoders, got {type(given.model).__name__}")
    torch.manual_seed(settings.seed)
    built = build_model(spec, tokenizer_json=given.model.tokenizer_json())
    built.vision.load_state_dict(given.model.vision.state_dict())
    built.text.load_state_dict(given.model.text.state_dict())
    save_model(out, built, spec, settings.preprocessing, Provenance(data="a model's encoders", seed=settings.seed))
