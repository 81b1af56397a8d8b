"""The tensors of ONNX files, named after the layers that they belong to. Nothing of such a file is run.

An export keeps the names of some tensors and numbers others, those that it transposed or folded; but the node that a
tensor goes into is always named after its layer. Networks are written as torch modules, which are filled from here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor

from image_core.errors import CheckpointError

FIX = "get the model again"
NUMBERED = "onnx::"
"""Prefix of the tensor names that the export made up."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name, in the order of the file: `layers.0.fc.bias` where the export kept the name, else the name of
    the node without its first slash, and the number of its input: `layers.0/fc/MatMul:1`. Constants of the graph's
    arithmetic with two axes or more have the names of their own nodes.

    Numbered weights of linear layers, which are transposed in the file, are returned as (out, in), and numbered factors
    and summands, which are (C, 1, 1) there, as (C,).

    Raises `CheckpointError` for a file that cannot be read, or is no whole model.
    """
    graph = _model(path).graph
    try:
        stored = {one.name: _tensor(numpy_helper.to_array(one)) for one in graph.initializer}
        named = {name: value for name, value in stored.items() if not name.startswith(NUMBERED)}
        for node in graph.node:
            where = node.name.removeprefix("/")
            for i, key in enumerate(node.input):
                if key.startswith(NUMBERED) and key in stored:
                    named[f"{where}:{i}"] = _layer_weight(stored[key], node.op_type)
            if node.op_type == "Constant" and len(node.attribute) == 1 and len(node.attribute[0].t.dims) > 1:
                named[where] = _tensor(numpy_helper.to_array(node.attribute[0].t))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: expected whole tensors, got others ({error}): {FIX}") from error
    return named


def _model(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}): {FIX}") from error
    except DecodeError as error:
        raise CheckpointError(f"{path}: expected an ONNX model, got another file ({error}): {FIX}") from error


def _layer_weight(stored: Tensor, operation: str) -> Tensor:
    if operation == "MatMul":
        return stored.mT
    return stored.flatten() if operation in ("Mul", "Add") else stored


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.copy())
