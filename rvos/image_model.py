"""The image model of a video system: named, loaded once when it is first needed, and known by what a run records."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from image_core.device import Precision, check_device, check_precision
from image_core.errors import ConfigError
from image_core.mask_model import MaskModel, describe, identify_model, is_model, is_python, resolve_model, unseen_words
from image_core.weights import DEFAULT


class ImageModelHandle:
    """An image model by what `--model` takes, or as an object, which brings its own device and precision.

    device: auto, cpu, cuda or cuda:i; precision: fp32 or bf16. Nothing is loaded or opened yet. Raises
    `ConfigError` or `UnknownNameError` for others, and for an object with a device or precision beside it.
    """

    def __init__(self, model: str | Path | MaskModel = DEFAULT, device: str = "auto", precision: str = "fp32") -> None:
        check_device(device)
        check_precision(precision)
        if not isinstance(model, str | Path):
            if not is_model(model):
                raise ConfigError(
                    "model: expected a name, a file or an object with segment(image, expressions), "
                    f"got {model.__name__ if isinstance(model, type) else type(model).__name__}"
                )
            _refuse_beside(model, device, precision)
        self._model = model
        self._device = device
        self._precision = precision

    @classmethod
    def of(
        cls, model: str | Path | MaskModel | ImageModelHandle, device: str = "auto", precision: str = "fp32"
    ) -> ImageModelHandle:
        """The handle itself, or one of the model. Raises as the constructor does."""
        if not isinstance(model, ImageModelHandle):
            return cls(model, device, precision)
        _refuse_beside(model, device, precision)
        return model

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
        """What a run records of it, as JSON values. Weights of ours are not loaded for it; a model of Python is built,
        and asked. Raises as `loaded` does."""
        if not isinstance(self._model, str | Path):
            return describe(self._model).document()
        known = identify_model(self._model)
        return (describe(self.loaded, known) if is_python(self._model) else known).document()

    def unseen_words(self, expressions: Sequence[str]) -> list[str]:
        """The words that it says it does not know, each once, in order; [] where it says nothing."""
        return unseen_words(self.loaded, expressions)


def _refuse_beside(model: object, device: str, precision: str) -> None:
    for key, given, plain in (("device", device, "auto"), ("precision", precision, "fp32")):
        if given != plain:
            raise ConfigError(
                f"{key}: expected none beside {type(model).__name__}, which brings its own, got {given}: leave it out"
            )
