"""Weights of TensorFlow.js: shards, quantised numbers, folded batch norms; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from image_core.errors import CheckpointError
from image_core.grounded.tfjs import NORM_EPSILON, convolutions, read_weights
from tests.image_core.grounded.tfjs_files import write_model, write_shards

WEIGHTS = {
    "a/weights": np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4),
    "a/biases": np.array([0.5, -1, 2, 0], np.float32),
    "size": np.array(300, np.int32),
}
LAYERS = ((r"(\w)", r"net.\1"), (r"b/depthwise", r"net.b.depthwise"))


@pytest.mark.parametrize("shard_bytes", [5, 48, 1000])
def test_shards_are_joined_wherever_they_end(tmp_path: Path, shard_bytes: int) -> None:
    read = read_weights(write_model(tmp_path, WEIGHTS, shard_bytes))
    assert list(read) == list(WEIGHTS)
    for name, values in WEIGHTS.items():
        assert read[name].dtype == values.dtype and (read[name] == values).all() and read[name].shape == values.shape


def test_quantised_numbers_are_restored(tmp_path: Path) -> None:
    def entry(name: str, dtype: str, quantised: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "shape": [3], "dtype": dtype, "quantization": quantised}

    entries = [
        entry("byte", "float32", {"dtype": "uint8", "scale": 0.5, "min": -1}),
        entry("word", "float32", {"dtype": "uint16", "scale": 0.25, "min": 2, "original_dtype": "float32"}),
        entry("half", "float32", {"dtype": "float16"}),
        entry("count", "int32", {"dtype": "uint8", "scale": 1.5, "min": -3}),
    ]
    data = np.array([0, 1, 255], np.uint8).tobytes() + np.array([0, 4, 65535], np.uint16).tobytes()
    data += np.array([0.5, -2, 1000], np.float16).tobytes() + np.array([0, 1, 2], np.uint8).tobytes()
    read = read_weights(write_shards(tmp_path, entries, data, 7))
    assert {name: values.tolist() for name, values in read.items()} == {
        "byte": [-1, -0.5, 126.5],
        "word": [2, 3, 16385.75],
        "half": [0.5, -2, 1000],
        "count": [-3, -2, 0],
    }
    assert [values.dtype.name for values in read.values()] == ["float32", "float32", "float32", "int32"]


def test_files_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path, WEIGHTS, 30)
    shard = tmp_path / "group1-shard2of3"
    whole = shard.read_bytes()
    for data in (whole[:-1], whole + b"\0", b""):
        shard.write_bytes(data)
        with pytest.raises(CheckpointError, match=r"expected the bytes of its manifest.*get the model again"):
            read_weights(path)
    shard.unlink()
    with pytest.raises(CheckpointError, match=r"group1-shard2of3: cannot be read \(No such file"):
        read_weights(path)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"\xff\xfe", "expected a graph model of TensorFlow.js"),
        (b"{", "expected a graph model of TensorFlow.js"),
        (b"[]", "expected a graph model of TensorFlow.js"),
        (b'{"format": "layers-model"}', "weightsManifest"),
        (b'{"weightsManifest": [{"paths": ["../x"], "weights": []}]}', r"expected shards beside it, got '\.\./x'"),
        (
            b'{"weightsManifest": [{"paths": [], "weights": [{"name": "a", "shape": [1], "dtype": "string"}]}]}',
            "string",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, document: bytes, message: str) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(document)
    with pytest.raises(CheckpointError, match=message):
        read_weights(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_weights(tmp_path / "none.json")


def test_layers_become_convolutions() -> None:
    random = np.random.default_rng(0)
    kernel, depthwise = (random.normal(size=shape).astype(np.float32) for shape in ((3, 3, 2, 4), (3, 3, 4, 1)))
    vectors = {n: random.uniform(0.5, 2, 4).astype(np.float32) for n in ("gamma", "beta", "mean", "variance", "scale")}
    weights = {
        "a/weights": kernel,
        "a/biases": vectors["beta"],
        "b/depthwise/depthwise_weights": depthwise,
        "b/depthwise/BatchNorm/gamma": vectors["gamma"],
        "b/depthwise/BatchNorm/beta": vectors["beta"],
        "b/depthwise/BatchNorm/moving_mean": vectors["mean"],
        "b/depthwise/BatchNorm/moving_variance": vectors["variance"],
        "c/depthwise_weights": depthwise,
        "c/BatchNorm/batchnorm/mul": vectors["scale"],
        "c/BatchNorm/batchnorm/sub": vectors["beta"],
        "anchors": np.ones((1, 2, 4), np.float32),
        "graph/size": np.array(3, np.int32),
    }
    state = convolutions(weights, LAYERS, ((r"anchors", r"table"),), (r"graph/.+",), "it")
    assert {name.rpartition(".")[0] for name in state} == {"net.a", "net.b.depthwise", "net.c", ""}
    assert state["table"].shape == (1, 2, 4)
    x = torch.from_numpy(random.normal(size=(1, 4, 5, 5)).astype(np.float32))
    gamma, beta, mean, variance, scale = (torch.from_numpy(vector) for vector in vectors.values())
    assert state["net.a.weight"][1, 0, 2, 1] == kernel[2, 1, 0, 1] and (state["net.a.bias"] == beta).all()
    filtered = F.conv2d(x, torch.from_numpy(depthwise).permute(2, 3, 0, 1), groups=4)
    normed = F.batch_norm(filtered, mean, variance, gamma, beta, eps=NORM_EPSILON)
    scaled = filtered * scale[:, None, None] + beta[:, None, None]
    for layer, expected in (("net.b.depthwise", normed), ("net.c", scaled)):
        folded = F.conv2d(x, state[f"{layer}.weight"], state[f"{layer}.bias"], groups=4)
        assert torch.allclose(folded, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stranger": np.zeros(1, np.float32)}, "stranger"),
        ({"a/biases": None}, "layer 'net.a': expected a kernel, and a bias or a batch norm, got kernel"),
        ({"a/BatchNorm/gamma": np.ones(4, np.float32)}, "got bias, gamma, kernel"),
        ({"a/biases": np.ones(3, np.float32)}, r"expected 4 values of bias, got \(3,\)"),
    ],
)
def test_every_tensor_has_its_place(change: dict[str, np.ndarray | None], message: str) -> None:
    weights = {name: values for name, values in {**WEIGHTS, **change}.items() if values is not None}
    with pytest.raises(CheckpointError, match=message):
        convolutions(weights, LAYERS, (), ("size",), "it")
