"""The image model of a video system: named, loaded once when it is first needed, and known by what a run records."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from image_core.device import Precision
from image_core.mask_model import MaskModel, describe, identify_model, resolve_model, unseen_words
from image_core.weights import DEFAULT


class ImageModelHandle:
    """An image model by what `--model` takes, or as an object, which brings its own device and precision.

    device: auto, cpu, cuda or cuda:i; precision: fp32 or bf16. Nothing is loaded or opened yet.
    """

    def __init__(self, model: str | Path | MaskModel = DEFAULT, device: str = "auto", precision: str = "fp32") -> None:
        self._model = model
        self._device = device
        self._precision = precision

    @cached_property
    def loaded(self) -> MaskModel:
        """The model itself. Raises `UnknownNameError`, `CheckpointError` or `ConfigError`."""
        if isinstance(self._model, str | Path):
            return resolve_model(self._model, self._device, cast(Precision, self._precision))
        return self._model

    @property
    def precision(self) -> str:
        """The precision that it computes in; "" of an object that does not tell."""
        return self._precision if isinstance(self._model, str | Path) else str(getattr(self._model, "precision", ""))

    def document(self) -> dict[str, Any]:
        """What a run records of it, as JSON values, known before weights are loaded. Raises as `loaded` does."""
        if isinstance(self._model, str | Path):
            return identify_model(self._model).document()
        return describe(self._model).document()

    def unseen_words(self, expressions: Sequence[str]) -> list[str]:
        """The words that it says it does not know, each once, in order; [] where it says nothing."""
        return unseen_words(self.loaded, expressions)
