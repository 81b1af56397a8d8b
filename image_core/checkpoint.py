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
from safetensors.torch import save_file
from torch import Tensor

from image_core.errors import CheckpointError
from image_core.models.base import ImageModel
from image_core.models.table import EncoderSpec, ModelSpec, build_model
from image_core.preprocessing import Preprocessing

FORMAT_VERSION = 1
_KEY = "rvos"
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


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode with what it needs to be used."""

    model: ImageModel
    spec: ModelSpec
    preprocessing: Preprocessing
    provenance: Provenance


def save_model(
    path: Path,
    model: ImageModel,
    spec: ModelSpec,
    preprocessing: Preprocessing,
    provenance: Provenance,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a model file at once (a temporary file, then a rename). `weights` replaces the model's own (EMA, say)."""
    # The file brings its weights: a rebuilt encoder must not go looking for pretrained ones.
    plain = replace(spec, vision=_without_weights(spec.vision), text=_without_weights(spec.text))
    header = {
        "format_version": FORMAT_VERSION,
        "model": plain.to_dict(),
        "preprocessing": preprocessing.to_dict(),
        "tokenizer": model.text.tokenizer_json(),
        "provenance": asdict(provenance),
    }
    state = {k: v.detach().cpu().contiguous() for k, v in (weights or model.state_dict()).items()}
    temporary = path.with_name(path.name + ".tmp")
    save_file(state, temporary, metadata={_KEY: json.dumps(header)})
    temporary.replace(path)


def _without_weights(spec: EncoderSpec) -> EncoderSpec:
    return replace(spec, pretrained=False, folder=None)


def load_model(path: str | Path, device: torch.device | str = "cpu") -> LoadedModel:
    """Rebuild a model from its file, in eval mode on `device`.

    Raises `CheckpointError`, in one line, for a file that is missing, truncated, a pickle, another project's, or whose
    tensors do not fit the model that its header describes.
    """
    path = Path(path)
    header, state = _read(path)
    spec = ModelSpec.from_dict(header["model"])
    model = build_model(spec, tokenizer_json=header["tokenizer"])
    _fit(path, model, state)
    model.load_state_dict(state, strict=True)
    provenance = dict(header["provenance"])
    if provenance.get("words") is not None:
        provenance["words"] = tuple(provenance["words"])
    return LoadedModel(
        model=model.to(device).eval(),
        spec=spec,
        preprocessing=Preprocessing.from_dict(header["preprocessing"]),
        provenance=Provenance(**provenance),
    )


def read_header(path: str | Path) -> dict[str, Any]:
    """The JSON header alone, without the weights. Raises `CheckpointError` as `load_model` does."""
    return _read(Path(path), weights=False)[0]


def _read(path: Path, weights: bool = True) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise CheckpointError(f"model file {path}: not there; give a .safetensors file, or a name from `rvos models`")
    with path.open("rb") as file:
        start = file.read(10)
    if start[:2] == b"PK" or start[:1] == b"\x80":
        raise CheckpointError(
            f"model file {path}: is a pickle, which can run code and is never loaded; "
            "wanted a .safetensors file of ours (`rvos convert` makes one of a known project's)"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise CheckpointError(f"model file {path}: {_foreign(list(file.keys()))}")
            header = json.loads(metadata[_KEY])
            state = {key: file.get_tensor(key) for key in file.keys()} if weights else {}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(
            f"model file {path}: not a whole safetensors file ({error}); download or copy it again"
        ) from error
    if header.get("format_version") != FORMAT_VERSION:
        came = header.get("format_version")
        raise CheckpointError(f"model file {path}: format version {came}, wanted {FORMAT_VERSION}; update rvos")
    return header, state


def _foreign(keys: list[str]) -> str:
    for prefix, project in _FOREIGN.items():
        if any(key.removeprefix("module.").startswith(prefix) for key in keys):
            return f"looks like a {project} checkpoint; convert it with `rvos convert {project.lower()} IN OUT`"
    shown = ", ".join(keys[:3]) or "no tensors"
    return f"not a model file of rvos ({shown}, ...); wanted one written by `rvos train` or `rvos convert`"


def _fit(path: Path, model: ImageModel, state: Mapping[str, Tensor]) -> None:
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
