"""The image model of a video system: named, loaded once when it is first needed, and known by what a run records."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch

from image_core.device import Precision
from image_core.errors import CheckpointError
from image_core.segmenter import ImageSegmenter, find_model
from image_core.weights import DEFAULT


class ImageModelHandle:
    """An image model by name, by file, or as a loaded object, which brings its device and precision.

    device: auto, cpu, cuda or cuda:i; precision: fp32 or bf16. Nothing is loaded or looked for yet.
    """

    def __init__(
        self, model: str | Path | ImageSegmenter = DEFAULT, device: str = "auto", precision: str = "fp32"
    ) -> None:
        self._model = model
        self._device = device
        self._precision = precision

    @cached_property
    def loaded(self) -> ImageSegmenter:
        """The model itself. Raises `UnknownNameError`, `CheckpointError` or `ConfigError`."""
        if isinstance(self._model, ImageSegmenter):
            return self._model
        return ImageSegmenter.load(self._model, self._device, cast(Precision, self._precision))

    @property
    def precision(self) -> str:
        """The precision that it computes in."""
        return self._model.precision if isinstance(self._model, ImageSegmenter) else self._precision

    @cached_property
    def sha256(self) -> str:
        """The digest of its file; of a loaded object, that of its weights by name.

        Raises `UnknownNameError` or `CheckpointError` where there is no such file.
        """
        if isinstance(self._model, ImageSegmenter):
            return _sha256_of_weights(self._model)
        path = find_model(self._model)
        if not path.is_file():
            raise CheckpointError(f"model file {path}: not there; give a model file, or a name from `rvos models`")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def document(self) -> dict[str, Any]:
        """What a run records of it, as JSON values. Raises as `sha256` does."""
        name = self._model.spec.name if isinstance(self._model, ImageSegmenter) else str(self._model)
        return {"name": name, "sha256": self.sha256}

    def unseen_words(self, expressions: Sequence[str]) -> list[str]:
        """The words that its training never showed, each once, in order; [] where that is not known."""
        return self.loaded.unseen_words(expressions)


def _sha256_of_weights(segmenter: ImageSegmenter) -> str:
    digest = hashlib.sha256()
    for name, tensor in segmenter.model.state_dict().items():
        whole = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {whole.dtype} {tuple(whole.shape)}".encode())
        digest.update(whole.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
