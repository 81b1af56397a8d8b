"""Graph models of TensorFlow.js: their weights, and how these become the weights of torch modules.

Only the weights are read; the network is written by hand as a torch module. Batch norms are folded into the
convolutions before them, as the export did with most of them already.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from image_core.convert.state_dicts import Rule, rename_keys
from image_core.errors import CheckpointError

PARTS = {
    "Conv2D/merged_input": "kernel",
    "weights": "kernel",
    "depthwise_weights": "depthwise",
    "biases": "bias",
    "BatchNorm/batchnorm/mul": "scale",
    "BatchNorm/batchnorm/sub": "bias",
    "BatchNorm/gamma": "gamma",
    "BatchNorm/beta": "beta",
    "BatchNorm/moving_mean": "mean",
    "BatchNorm/moving_variance": "variance",
}
"""Names of a layer's tensors there -> what they are."""

NORM = {"gamma", "beta", "mean", "variance"}
NORM_EPSILON = 1e-3

TYPES = ("float32", "int32", "uint8", "bool")
STORED_TYPES = ("uint8", "uint16", "float16")
"""Types that quantised numbers are stored in. float16 is the value itself; integers count steps from a minimum."""

FIX = "get the model again"


def read_weights(model_json: Path) -> dict[str, np.ndarray]:
    """The weights of a graph model by name, from the shards beside its `model.json`; quantised ones are restored.

    Raises `CheckpointError` where a file is missing, or is longer or shorter than the manifest says.
    """
    try:
        groups = json.loads(_read_bytes(model_json))["weightsManifest"]
        pairs = [pair for group in groups for pair in _read_group(model_json, group)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{model_json}: expected a graph model of TensorFlow.js, got a file that is none "
            f"({type(error).__name__}: {error}): {FIX}"
        ) from error
    return dict(pairs)


def _read_group(model_json: Path, group: Mapping[str, Any]) -> list[tuple[str, np.ndarray]]:
    names = [str(name) for name in group["paths"]]
    if outside := [name for name in names if Path(name).name != name]:
        raise CheckpointError(f"{model_json}: expected shards beside it, got '{outside[0]}': {FIX}")
    data = b"".join(_read_bytes(model_json.with_name(name)) for name in names)
    pairs, start = [], 0
    for entry in group["weights"]:
        quantised = entry.get("quantization") or {}
        stored = _dtype(quantised.get("dtype", entry["dtype"]), STORED_TYPES if quantised else TYPES)
        count = math.prod(entry["shape"])
        end = start + count * stored.itemsize
        if end > len(data):
            break
        values = np.frombuffer(data, stored, count, start).reshape(entry["shape"])
        pairs.append((entry["name"], _dequantise(values, quantised, _dtype(entry["dtype"], TYPES))))
        start = end
    if start != len(data) or len(pairs) != len(group["weights"]):
        wanted = "the bytes of its manifest"
        raise CheckpointError(f"{model_json}: expected {wanted} in {', '.join(names)}, got {len(data)}: {FIX}")
    return pairs


def _dtype(name: str, supported: Sequence[str]) -> np.dtype:
    if name not in supported:
        raise ValueError(f"expected numbers of type {', '.join(supported)}, got '{name}'")
    return np.dtype(name).newbyteorder("<")


def _dequantise(values: np.ndarray, quantised: Mapping[str, Any], dtype: np.dtype) -> np.ndarray:
    if quantised and values.dtype.kind == "u":
        values = values.astype(np.float64) * quantised["scale"] + quantised["min"]
        values = values if dtype.kind == "f" else np.rint(values)
    return values.astype(dtype.newbyteorder("="))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}): {FIX}") from error


def convolutions(
    weights: Mapping[str, np.ndarray],
    layers: Sequence[Rule],
    others: Sequence[Rule],
    unused: Sequence[str],
    source: str,
) -> dict[str, Tensor]:
    """Weights of a graph -> the state of a module whose convolutions have a bias and no batch norm.

    layers: patterns of whole names of layers there, and our names; others: the same for single tensors, which stay as
    they are; unused: patterns of tensors that belong to the graph's arithmetic. Raises `CheckpointError`, which begins
    with `source`, for a tensor that no pattern or several match, and for a layer with other parts than a convolution.
    """
    rules = [
        (f"{layer}/{re.escape(part)}", f"{ours}.{ours_part}")
        for layer, ours in layers
        for part, ours_part in PARTS.items()
    ]
    tensors = {
        name: torch.from_numpy(values)
        for name, values in weights.items()
        if not any(re.fullmatch(pattern, name) for pattern in unused)
    }
    single = {name: tensor for name, tensor in tensors.items() if any(re.fullmatch(p, name) for p, _ in others)}
    state = rename_keys(single, others, source)
    grouped: dict[str, dict[str, Tensor]] = {}
    for name, tensor in rename_keys({n: t for n, t in tensors.items() if n not in single}, rules, source).items():
        layer, _, part = name.rpartition(".")
        grouped.setdefault(layer, {})[part] = tensor
    for layer, parts in grouped.items():
        weight, bias = _fold_batch_norm(parts, f"{source}: layer '{layer}'")
        state |= {f"{layer}.weight": weight, f"{layer}.bias": bias}
    return state


def _fold_batch_norm(parts: dict[str, Tensor], layer: str) -> tuple[Tensor, Tensor]:
    """The parts of a layer -> weight (out, in or 1, h, w) and bias (out,) of one convolution."""
    kernels = {"kernel", "depthwise"} & parts.keys()
    rest = parts.keys() - kernels
    if len(kernels) != 1 or rest not in ({"bias"}, {"scale", "bias"}, NORM):
        raise CheckpointError(f"{layer}: expected a kernel, and a bias or a batch norm, got {', '.join(sorted(parts))}")
    # Kernels are (h, w, in, out) there, those of depthwise convolutions (h, w, out, 1).
    kernel = parts["kernel"].permute(3, 2, 0, 1) if "kernel" in parts else parts["depthwise"].permute(2, 3, 0, 1)
    if differing := [name for name in rest if parts[name].shape != kernel.shape[:1]]:
        raise CheckpointError(
            f"{layer}: expected {kernel.shape[0]} values of {differing[0]}, got {tuple(parts[differing[0]].shape)}"
        )
    if rest == NORM:
        scale = parts["gamma"] / (parts["variance"] + NORM_EPSILON).sqrt()
        bias = parts["beta"] - parts["mean"] * scale
    else:
        scale, bias = parts.get("scale", torch.ones(len(kernel))), parts["bias"]
    return kernel * scale[:, None, None, None], bias
