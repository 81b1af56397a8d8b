"""Writes graph models of TensorFlow.js: any weights, and a narrow SSDLite under the names of the released one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from image_core.grounded.ssdlite import anchor_count

HEADS = (("BoxEncodingPredictor", 4), ("ClassPredictor", 91))
ANCHORS = (3, 6, 6, 6, 6, 6)
NARROW = {
    # MobileNetV2 at a quarter of its width, in steps of 8 channels.
    "stem": 8,
    "blocks": (8, 8, 8, 8, 8, 8, 16, 16, 16, 16, 24, 24, 24, 40, 40, 40, 80),
    "last": 320,
    "extras": ((64, 128), (32, 64), (32, 64), (16, 32)),
}


def write_model(folder: Path, weights: Mapping[str, np.ndarray], shard_bytes: int = 100_000) -> Path:
    """`model.json` and its shards, which end anywhere; returns the former."""
    entries = [{"name": n, "shape": list(v.shape), "dtype": v.dtype.name} for n, v in weights.items()]
    return write_shards(folder, entries, b"".join(v.tobytes() for v in weights.values()), shard_bytes)


def write_shards(folder: Path, entries: list[dict], data: bytes, shard_bytes: int) -> Path:
    """The same from the entries of the manifest and the bytes of all shards."""
    count = -(-len(data) // shard_bytes)
    names = [f"group1-shard{i + 1}of{count}" for i in range(count)]
    for i, name in enumerate(names):
        (folder / name).write_bytes(data[i * shard_bytes : (i + 1) * shard_bytes])
    document = {"modelTopology": {"node": []}, "weightsManifest": [{"paths": names, "weights": entries}]}
    path = folder / "model.json"
    path.write_text(json.dumps(document))
    return path


def narrow_ssdlite(seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights by their published names; some of the graph's numbers among them."""
    random = np.random.default_rng(seed)
    weights = {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in _shapes()}
    for name in weights:
        if name.endswith("variance"):
            weights[name] = np.abs(weights[name]) + 1
    corners = np.sort(random.uniform(0, 1, (anchor_count(), 2, 2)), 1).reshape(1, -1, 4)
    return weights | {
        "Postprocessor/ExpandDims": corners.astype(np.float32),
        "Preprocessor/mul/x": np.float32(1 / 127.5).reshape(()),
        "BoxPredictor_0/stack/3": np.int32(4).reshape(()),
        "ConstantFolding/Postprocessor/Decode/div_recip": np.float32(0.1).reshape(()),
        "Postprocessor/Slice/begin": np.array([0, 0, 1], np.int32),
    }


def _shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    root, channels = "FeatureExtractor/MobilenetV2", NARROW["stem"]
    yield from _full(f"{root}/Conv", 3, 3, channels)
    maps = []
    for i, outputs in enumerate(NARROW["blocks"]):
        name = f"{root}/expanded_conv_{i}" if i else f"{root}/expanded_conv"
        hidden = channels * 6 if i else channels
        if i:
            yield from _full(f"{name}/expand", 1, channels, hidden)
        yield from _depthwise(f"{name}/depthwise", hidden)
        yield from _full(f"{name}/project", 1, hidden, outputs)
        channels = outputs
        if i == 13:
            maps.append(hidden)
    yield from _full(f"{root}/Conv_1", 1, channels, NARROW["last"])
    maps.append(NARROW["last"])
    for i, (narrowed, widened) in enumerate(NARROW["extras"], 2):
        yield from _full(f"{root}/layer_19_1_Conv2d_{i}_1x1_{narrowed}", 1, maps[-1], narrowed)
        yield from _depthwise(f"{root}/layer_19_2_Conv2d_{i}_3x3_s2_{widened}_depthwise", narrowed)
        yield from _full(f"{root}/layer_19_2_Conv2d_{i}_3x3_s2_{widened}", 1, narrowed, widened)
        maps.append(widened)
    for i, (inputs, anchors) in enumerate(zip(maps, ANCHORS, strict=True)):
        for head, values in HEADS:
            name = f"BoxPredictor_{i}/{head}"
            yield f"{name}_depthwise/depthwise_weights", (3, 3, inputs, 1)
            for part in ("gamma", "beta", "moving_mean", "moving_variance"):
                yield f"{name}_depthwise/BatchNorm/{part}", (inputs,)
            yield f"{name}/weights", (1, 1, inputs, anchors * values)
            yield f"{name}/biases", (anchors * values,)


def _full(name: str, side: int, inputs: int, outputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}/Conv2D/merged_input", (side, side, inputs, outputs)
    yield f"{name}/BatchNorm/batchnorm/sub", (outputs,)


def _depthwise(name: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}/depthwise_weights", (3, 3, channels, 1)
    yield f"{name}/BatchNorm/batchnorm/mul", (channels,)
    yield f"{name}/BatchNorm/batchnorm/sub", (channels,)
