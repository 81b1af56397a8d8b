"""Vision weights from local files: timm's own, Hugging Face Swin and the original Swin release, to timm's names."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from image_core.errors import CheckpointError

_FILES = ("model.safetensors", "pytorch_model.bin", "model.bin", "pytorch_model.pth")
_MAX_LISTED = 5

_HUGGING_FACE_SWIN = (
    (r"^(swin|backbone)\.", ""),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.norm\.", "patch_embed.norm."),
    (r"^encoder\.layers\.", "layers."),
    (r"^layernorm\.", "norm."),
    (r"\.attention\.self\.(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.self\.relative_position", ".attn.relative_position"),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
)
"""Key patterns of transformers' Swin files -> timm's names, applied in this order."""


def load_vision_weights(net: nn.Module, used: Sequence[str], source: Path) -> None:
    """Fills the modules at the paths `used` of the timm model `net` from the file or folder `source`.

    Weights of what is not kept (heads, final norms) may lie in the file and are left there; everything else must fit.
    Raises `CheckpointError` with counts of missing, unexpected and differing keys.
    """
    state = _to_timm(_read(source))
    own = net.state_dict()
    prefixes = tuple(f"{path}." for path in used)
    cut = {name for name, _ in net.named_children()} - {path.split(".")[0] for path in used}
    required = {key for key in own if key.startswith(prefixes)}
    missing = sorted(required - state.keys())
    unexpected = sorted(key for key in state.keys() - own.keys() if key.split(".")[0] not in cut)
    differing = [
        f"{key} {tuple(state[key].shape)} for {tuple(own[key].shape)}"
        for key in sorted(required & state.keys())
        if state[key].shape != own[key].shape
    ]
    if missing or unexpected or differing:
        faults = {"missing": missing, "unexpected": unexpected, "of another shape": differing}
        description = "; ".join(f"{len(keys)} {kind}: {_format_keys(keys)}" for kind, keys in faults.items() if keys)
        raise CheckpointError(f"{source}: weights do not fit this vision encoder: {description}")
    net.load_state_dict({key: state[key] for key in required}, strict=False)


def _format_keys(keys: Sequence[str]) -> str:
    return ", ".join(keys[:_MAX_LISTED]) + (", ..." if len(keys) > _MAX_LISTED else "")


def _read(source: Path) -> dict[str, Tensor]:
    path = source
    if source.is_dir():
        files = [source / name for name in _FILES if (source / name).is_file()]
        if not files:
            raise CheckpointError(f"{source}: expected one of {', '.join(_FILES)} in it, got a folder without weights")
        path = files[0]
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file: give a file or folder of vision weights")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: cannot be read as weights, is it whole and a state dict? ({reason})") from error
    state = state.get("model", state.get("state_dict", state)) if isinstance(state, Mapping) else {}
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path}: expected a state dict of tensors, got a {type(state).__name__} of other things")
    return dict(state)


def _to_timm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    if any("embeddings.patch_embeddings.projection." in key for key in state):
        state = _from_hugging_face(state)
    if "layers.0.downsample.reduction.weight" in state:
        # Elsewhere Swin merges patches at the end of a stage, in timm at the beginning of the next.
        state = {
            re.sub(r"^layers\.(\d+)\.downsample\.", lambda m: f"layers.{int(m[1]) + 1}.downsample.", key): value
            for key, value in state.items()
        }
    # Tables that follow from the window size; some files carry them, timm computes them.
    derived = ("relative_position_index", "attn_mask", "relative_coords_table")
    return {key: value for key, value in state.items() if not key.endswith(derived)}


def _from_hugging_face(state: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for key, value in state.items():
        for pattern, replacement in _HUGGING_FACE_SWIN:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    fused = {key: value for key, value in renamed.items() if not re.search(r"\.attn\.(query|key|value)\.", key)}
    for key in renamed:
        if ".attn.query." in key:
            parts = [renamed[key.replace(".query.", f".{name}.")] for name in ("query", "key", "value")]
            fused[key.replace(".query.", ".qkv.")] = torch.cat(parts)
    return fused
