"""A model of ours as an ONNX file, for programs without torch (extra `onnx`).

Resizing and tokenising are left to the caller; the file's metadata has what both need. The size of images is fixed,
because the networks build their grids from it. The numbers of expressions and words are dynamic.
"""

# The packages of the extra are not installed everywhere.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import pad

from image_core.checkpoint import LoadedModel
from image_core.encoders.text import Tokens
from image_core.errors import CheckpointError, ConfigError
from image_core.files import replacing
from image_core.models.s2rm import S2RM
from image_core.preprocessing import Preprocessing

INPUTS = ("image", "input_ids", "attention_mask")
OUTPUTS = ("mask_logits", "presence", "score")
TOLERANCE = 1e-4
"""Largest allowed difference between onnxruntime and torch in each output: log-odds and probabilities."""
_OPSET = 20
_PROBES = (
    ("the red circle",),
    ("a man on the left of the large dog", "it", "the second blue one from the right, above the other"),
)
"""What the check asks, on images of noise: one expression, several of different lengths."""


@dataclass(frozen=True)
class OnnxFile:
    """What was written."""

    path: Path
    #: (height, width) that the caller resizes images to.
    size: tuple[int, int]
    #: The largest difference to torch that the check found.
    difference: float


class OnnxGraph(nn.Module):
    """A model from an image at the network's size and tokens to maps: what torch traces.

    image (h, w, 3) uint8 RGB; input_ids, attention_mask (E, L) int64, 1 on words. Gives mask_logits (E, ceil(h /
    stride), ceil(w / stride)), presence (E,) and score (E,) in [0, 1], all float32.
    """

    mean: Tensor
    std: Tensor
    valid_px: Tensor

    def __init__(self, model: S2RM, preprocessing: Preprocessing, size: tuple[int, int]) -> None:
        """size: (height, width) of `image`, as `Preprocessing.content_size` gives it."""
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(preprocessing.mean))
        self.register_buffer("std", torch.tensor(preprocessing.std))
        self._scale = preprocessing.pixel_scale
        multiple = preprocessing.multiple
        self._beyond = [-side % multiple for side in size]
        self._cells = [-(-side // model.mask_stride) for side in size]
        self.register_buffer("valid_px", torch.tensor([size]))

    def forward(self, image: Tensor, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        normalised = (image.float() / self._scale - self.mean) / self.std
        pixels = pad(normalised.permute(2, 0, 1)[None], (0, self._beyond[1], 0, self._beyond[0]))
        text = self.model.text.encode(Tokens(input_ids, attention_mask == 0))
        features = self.model.precompute(self.model.encode_image(pixels, valid_px=self.valid_px))
        rows_of_picture = torch.zeros_like(input_ids[:, 0])
        prediction = self.model.decode(features.select(rows_of_picture), text)
        rows, columns = self._cells
        presence = self.model.presence_probs(prediction).float()
        return prediction.mask_logits[:, :rows, :columns], presence, prediction.score


def write_onnx(loaded: LoadedModel, path: Path, image_size: tuple[int, int]) -> OnnxFile:
    """Write a model to `path` for images of a size (height, width), or of that aspect ratio, and compare the file
    with the model on both inputs of `_PROBES`.

    Raises `ConfigError` where the extra is missing or the model is of a kind that is not written, `CheckpointError`
    where onnxruntime does not agree with torch to `TOLERANCE`, `OutputError`.
    """
    _check_extra()
    model = loaded.model
    if not isinstance(model, S2RM):
        raise ConfigError(f"ONNX: expected a model of kind s2rm, got {loaded.spec.name}, which is not checked yet")
    size = loaded.preprocessing.content_size(*image_size)
    graph = OnnxGraph(model, loaded.preprocessing, size).eval()
    with replacing(path) as temporary:
        temporary.write_bytes(_bytes_of(graph, size, _metadata(loaded, model, size)))
        difference = _largest_difference(graph, size, temporary)
    return OnnxFile(path, size, difference)


def _metadata(loaded: LoadedModel, model: S2RM, size: tuple[int, int]) -> dict[str, str]:
    """What a caller needs beside the network, as texts by name."""
    return {
        "tokenizer": json.dumps(json.loads(model.tokenizer_json())["tokenizer"], ensure_ascii=False),
        "size": f"{size[0]}x{size[1]}",
        "resize": loaded.preprocessing.resize,
        "kind": loaded.spec.name,
        "provenance": json.dumps({"data": loaded.provenance.data, "command": loaded.provenance.command}),
    }


def _bytes_of(graph: OnnxGraph, size: tuple[int, int], metadata: Mapping[str, str]) -> bytes:
    """The file's content. Counts of expressions and words are dynamic: several are traced, as one counts as fixed."""
    image = torch.zeros((*size, 3), dtype=torch.uint8)
    words = graph.model.text(_PROBES[1]).word_pad_mask
    inputs = image, torch.zeros(words.shape, dtype=torch.long), torch.ones(words.shape, dtype=torch.long)
    open_sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    # With the other attention kernels, the trace has strides that the exported operators do not have.
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        warnings.simplefilter("ignore")  # of torch about itself
        program: Any = torch.onnx.export(
            graph,
            inputs,
            dynamo=True,
            opset_version=_OPSET,
            input_names=INPUTS,
            output_names=OUTPUTS,
            dynamic_shapes=({}, open_sizes, open_sizes),
            verbose=False,
        )
    written = program.model_proto
    for key, value in metadata.items():
        written.metadata_props.add(key=key, value=value)
    return written.SerializeToString()


def _largest_difference(graph: OnnxGraph, size: tuple[int, int], path: Path) -> float:
    """Between the file in onnxruntime and torch, over all probes and outputs. Raises `CheckpointError` above
    `TOLERANCE`."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    largest = 0.0
    for expressions in _PROBES:
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        tokens = graph.model.text.tokenize(expressions)
        inputs = image, tokens.input_ids.numpy(), (~tokens.word_pad_mask).long().numpy()
        with torch.inference_mode():
            expected = graph(*map(torch.from_numpy, inputs))
        outputs = session.run(None, dict(zip(INPUTS, inputs, strict=True)))
        pairs = zip(outputs, expected, strict=True)
        largest = max(largest, *(float(np.abs(g - w.numpy()).max()) for g, w in pairs))
    if not largest <= TOLERANCE:
        raise CheckpointError(
            f"ONNX: expected onnxruntime to give what torch gives to {TOLERANCE}, got {largest:.2g} apart: try other "
            "versions of torch, onnxscript and onnxruntime"
        )
    return largest


def _check_extra() -> None:
    """Raise `ConfigError` where the extra is missing."""
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401  (torch writes with it)
    except ImportError as error:
        raise ConfigError(f"ONNX: expected the extra onnx, got none ({error}): pip install 'rvos[onnx]'") from error
