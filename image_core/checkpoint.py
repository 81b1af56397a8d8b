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
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from image_core.errors import CheckpointError, RvosError
from image_core.models.base import EncoderModel, FeatureModel
from image_core.models.table import EncoderConfig, ModelConfig, build_model
from image_core.preprocessing import Preprocessing

FORMAT_VERSION = 1
_KEY = "rvos"
_PARTS = {"model": dict, "preprocessing": dict, "tokenizer": str, "provenance": dict}
_FOREIGN = {  # prefixes that tell a known project's file, and what to do with it
    "vis_enc.darknet": "SeqTR",
    "backbone.layers.0.pwam_fusion": "CGFormer",
    "sem_seg_head.predictor": "ReLA",
    "backbone.layers.0.fusion": "LAVT",
}


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
    """Write a model file at once (a temporary file, then a rename).

    Raises `TypeError` for a model that is not made of two encoders: its file could not rebuild it.
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
    temporary.write_bytes(save(state, metadata={_KEY: json.dumps(header)}))  # `save_file` would lock other users out
    temporary.replace(path)


def without_weights(spec: ModelConfig) -> ModelConfig:
    """The file brings its weights: a rebuilt encoder must not go looking for pretrained ones."""

    def plain(encoder: EncoderConfig) -> EncoderConfig:
        return replace(encoder, pretrained=False, folder=None)

    return replace(spec, vision=plain(spec.vision), text=plain(spec.text))


def load_model(path: str | Path, device: torch.device | str = "cpu") -> LoadedModel:
    """Rebuild a model from its file, in eval mode on `device`.

    Raises `CheckpointError`, in one line, for a file that is missing, truncated, a pickle, another project's, or whose
    tensors do not fit the model that its header describes.
    """
    path = Path(path)
    header, state = _read(path)
    try:
        spec = without_weights(ModelConfig.from_dict(header["model"]))
        preprocessing = Preprocessing.from_dict(header["preprocessing"])
        provenance = Provenance.from_dict(header["provenance"])
        model = build_model(spec, tokenizer_json=header["tokenizer"])
    except (RvosError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise _damaged(path, f"describes no model that can be built ({type(error).__name__}: {reason})") from error
    _fit(path, model, state)
    model.load_state_dict(state, strict=True)
    return LoadedModel(model.to(device).eval(), spec, preprocessing, provenance)


def read_header(path: str | Path) -> dict[str, Any]:
    """The JSON header alone, without the weights. Raises `CheckpointError` as `load_model` does."""
    return _read(Path(path), weights=False)[0]


def _read(path: Path, weights: bool = True) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        given = "a folder" if path.is_dir() else "none"
        raise CheckpointError(
            f"model file {path}: expected a file, got {given}; give a .safetensors file, or a name from `rvos models`"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise CheckpointError(f"model file {path}: {_foreign(list(file.keys()))}")
            header = _header(path, metadata[_KEY])
            state = {key: file.get_tensor(key) for key in file.keys()} if weights else {}  # noqa: SIM118
    except SafetensorError as error:
        # Asked only now: the first bytes of a good file are a length, and can look like those of a pickle.
        with path.open("rb") as file:
            start = file.read(2)
        if start == b"PK" or start[:1] == b"\x80":
            raise CheckpointError(
                f"model file {path}: expected a .safetensors file of ours, got a pickle, which can run code and is "
                "never loaded; `rvos convert` makes a model file of a known project's"
            ) from error
        raise CheckpointError(
            f"model file {path}: not a whole safetensors file ({' '.join(str(error).split())}); "
            "download or copy it again"
        ) from error
    return header, state


def _header(path: Path, text: str) -> dict[str, Any]:
    """The checked header: of this version, with every part in its place."""
    try:
        header = json.loads(text)
    except json.JSONDecodeError as error:
        raise _damaged(path, f"is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise _damaged(path, f"is damaged: expected an object, got {type(header).__name__}")
    version = header.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"model file {path}: expected format version {FORMAT_VERSION}, got {version}; update rvos"
        )
    wrong = [name for name, kind in _PARTS.items() if not isinstance(header.get(name), kind)]
    if wrong:
        raise _damaged(path, f"lacks {', '.join(wrong)}")
    return header


def _damaged(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"model file {path}: its header {reason}; download or copy it again, or update rvos")


def _foreign(keys: list[str]) -> str:
    for prefix, project in _FOREIGN.items():
        if any(key.removeprefix("module.").startswith(prefix) for key in keys):
            return f"looks like a {project} checkpoint; convert it with `rvos convert {project.lower()} IN OUT`"
    shown = ", ".join(keys[:3]) or "no tensors"
    return f"expected a model file written by `rvos train` or `rvos convert`, got another file ({shown}, ...)"


def _fit(path: Path, model: EncoderModel, state: Mapping[str, Tensor]) -> None:
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
