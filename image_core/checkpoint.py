"""Model files: one safetensors file that rebuilds its model by itself.

The JSON header (metadata key "rvos") holds the format version, the model's description, its preprocessing, its
tokenizer, and its provenance. Weights are tensors of the file; presence calibration is two of them. Nothing is ever
unpickled here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from image_core.errors import CheckpointError, RvosError
from image_core.model_file import FORMAT_VERSION, KEY, damaged, open_model_file
from image_core.models.base import EncoderModel, FeatureModel
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing


@dataclass(frozen=True)
class Provenance:
    """Where a checkpoint comes from. words: all words of its training expressions, or None where that is not known;
    scores: metric -> value by split, fractions in [0, 1]."""

    commit: str = ""
    command: str = ""
    data: str = ""
    seed: int = 0
    steps: int = 0
    date: str = ""
    scores: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Provenance:
        """The inverse of `asdict`, also after JSON. Raises `TypeError` on values that are not there."""
        words = values.get("words")
        return cls(**{**values, "words": None if words is None else tuple(words)})


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode with what it needs to be used."""

    model: FeatureModel
    spec: ModelConfig
    preprocessing: Preprocessing
    provenance: Provenance


def save_model(
    path: Path,
    model: FeatureModel,
    spec: ModelConfig,
    preprocessing: Preprocessing,
    provenance: Provenance,
) -> None:
    """Write a model file in one step (a temporary file, then a rename).

    Raises `TypeError` for a model that is not an `EncoderModel`, since its file could not rebuild it.
    """
    if not isinstance(model, EncoderModel):
        raise TypeError(f"save_model: expected a model of two encoders, got {type(model).__name__}")
    header = {
        "format_version": FORMAT_VERSION,
        "model": without_weights(spec).to_dict(),
        "preprocessing": preprocessing.to_dict(),
        "tokenizer": model.tokenizer_json(),
        "provenance": asdict(provenance),
    }
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(save(state, metadata={KEY: json.dumps(header)}))  # `save_file` would lock other users out
    temporary.replace(path)


def without_weights(spec: ModelConfig) -> ModelConfig:
    """The description without sources of pretrained weights: a file contains all weights, so none must be loaded."""

    def plain(encoder: EncoderConfig) -> EncoderConfig:
        return replace(encoder, pretrained=False, folder=None)

    return replace(spec, vision=plain(spec.vision), text=plain(spec.text))


def load_model(path: str | Path, device: torch.device | str = "cpu") -> LoadedModel:
    """Rebuild a model from its file, in eval mode on `device`.

    Raises `CheckpointError`, in one line, for a file that is missing, truncated, a pickle, another project's, or whose
    tensors do not fit the model that its header describes.
    """
    path = Path(path)
    with open_model_file(path, "pt") as (header, file):
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    try:
        spec = without_weights(ModelConfig.from_dict(header["model"]))
        preprocessing = Preprocessing.from_dict(header["preprocessing"])
        provenance = Provenance.from_dict(header["provenance"])
        model = build_model(spec, tokenizer_json=header["tokenizer"])
    except (RvosError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise damaged(path, f"describes no model that can be built ({type(error).__name__}: {reason})") from error
    _check_tensors(path, model, state)
    model.load_state_dict(state, strict=True)
    return LoadedModel(model.to(device).eval(), spec, preprocessing, provenance)


def _check_tensors(path: Path, model: EncoderModel, state: Mapping[str, Tensor]) -> None:
    own = model.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shared = own.keys() & state.keys()
    differing = [
        f"{key} {tuple(state[key].shape)} not {tuple(own[key].shape)}"
        for key in shared
        if state[key].shape != own[key].shape
    ]
    parts = [
        f"{len(keys)} {label} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for label, keys in (("missing", missing), ("unexpected", extra), ("of another shape", sorted(differing)))
        if keys
    ]
    if parts:
        raise CheckpointError(f"model file {path}: tensors do not fit its own description: {'; '.join(parts)}")
