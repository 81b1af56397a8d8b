"""The image model of a video system: by name or object, loaded once when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from image_core.device_names import Precision, check_device, check_precision
from image_core.errors import ConfigError
from image_core.identity import ModelIdentity
from image_core.mask_model import (
    PACKAGED,
    MaskModel,
    WeightsProvider,
    adapter_of,
    describe,
    identify_model,
    is_model,
    is_python_name,
    resolve_model,
    understood,
    unseen_words,
)
from image_core.weights import DEFAULT, embedded_models
from image_core.weights.cache import weights_of


class ImageModelHandle:
    """An image model, given by a value of `--model` or as an object, which has its own device and precision.

    device: auto, cpu, cuda or cuda:i; precision: fp32 or bf16; weights: returns packaged weights when they are needed,
    by default those that were fetched before. Nothing is loaded or opened yet. Raises `ConfigError` or
    `UnknownNameError` for other values, and for a device or precision given with an object.
    """

    def __init__(
        self,
        model: str | Path | MaskModel = DEFAULT,
        device: str = "auto",
        precision: str = "fp32",
        weights: WeightsProvider = weights_of,
    ) -> None:
        check_device(device)
        check_precision(precision)
        if not isinstance(model, str | Path):
            if not is_model(model):
                got = f"the class {model.__name__}: call it" if isinstance(model, type) else type(model).__name__
                raise ConfigError(
                    f"model: expected a name, a file or an object with segment(image, expressions), got {got}"
                )
            _reject_device_options(model, device, precision)
        self._model = model
        self._device = device
        self._precision = precision
        self._weights = weights

    @classmethod
    def of(
        cls, model: str | Path | MaskModel | ImageModelHandle, device: str = "auto", precision: str = "fp32"
    ) -> ImageModelHandle:
        """The handle itself, or a new one for a model. Raises as the constructor does."""
        if not isinstance(model, ImageModelHandle):
            return cls(model, device, precision)
        _reject_device_options(model, device, precision)
        return model

    @cached_property
    def loaded(self) -> MaskModel:
        """The model itself. Raises `UnknownNameError`, `CheckpointError` or `ConfigError`."""
        if isinstance(self._model, str | Path):
            return resolve_model(self._model, self._device, cast(Precision, self._precision), self._weights)
        return self._model

    @property
    def device(self) -> str:
        """The device: auto, cpu, cuda or cuda:i; auto for an object, which has its own."""
        return self._device

    @property
    def weights(self) -> WeightsProvider:
        """The function that returns packaged weights."""
        return self._weights

    @property
    def is_slow(self) -> bool:
        """Whether the model declares that an image takes it about a second. Packaged weights are not loaded for this; a
        model in Python is built. Raises as `loaded` does."""
        if isinstance(self._model, str | Path):
            if adapted := adapter_of(self._model):
                return adapted[0].is_slow
            packaged = PACKAGED.get(str(self._model))
            if packaged is not None or not is_python_name(self._model):
                return packaged is not None and packaged.is_slow
        return bool(getattr(self.loaded, "is_slow", False))

    @property
    def has_features(self) -> bool:
        """Whether its features can be propagated. Known of a packaged model before it is loaded; raises as `loaded`
        does."""
        if isinstance(self._model, str | Path) and adapter_of(self._model):
            return False
        packaged = PACKAGED.get(str(self._model)) if isinstance(self._model, str | Path) else None
        if packaged is not None:
            return packaged.has_features
        from image_core.segmenter import (
            ImageSegmenter,  # imported here: it imports torch, which following masks does not need
        )

        return isinstance(self.loaded, ImageSegmenter)

    @property
    def requested_precision(self) -> Precision:
        """The precision that was requested; fp32 for an object."""
        return cast(Precision, self._precision)

    @property
    def precision(self) -> str:
        """The precision that it computes in; "" for an object that does not declare it."""
        return self._precision if isinstance(self._model, str | Path) else str(getattr(self._model, "precision", ""))

    @property
    def project_identity(self) -> ModelIdentity | None:
        """The identity of a packaged or embedded model, by its name alone; None for any other model."""
        name = str(self._model) if isinstance(self._model, str) else ""
        return identify_model(name) if name in PACKAGED or name in embedded_models() else None

    def document(self) -> dict[str, Any]:
        """What a run records of it, as JSON values. Packaged weights are not loaded for this; a model in Python is
        built. Raises as `loaded` does."""
        if not isinstance(self._model, str | Path):
            return describe(self._model).document()
        known = identify_model(self._model)
        return (describe(self.loaded, known) if is_python_name(self._model) else known).document()

    def unseen_words(self, expressions: Sequence[str]) -> list[str]:
        """The words that the model reports as unknown, each once, in order; [] if it reports nothing."""
        return unseen_words(self.loaded, expressions)

    def understood(self, expressions: Sequence[str]) -> list[dict[str, Any]] | None:
        """How the model interprets each expression, as JSON values; None if it does not report that."""
        return understood(self.loaded, expressions)


def _reject_device_options(model: object, device: str, precision: str) -> None:
    for key, given, plain in (("device", device, "auto"), ("precision", precision, "fp32")):
        if given != plain:
            raise ConfigError(
                f"{key}: expected none beside {type(model).__name__}, which brings its own, got {given}: leave it out"
            )
