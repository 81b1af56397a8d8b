"""Loads a network of transformers with its processor. All such networks are loaded here.

transformers is imported only when a network is loaded, because the import takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from image_core.device import autocast, resolve_device
from image_core.device_names import Precision, check_precision
from image_core.errors import CheckpointError, ConfigError
from image_core.hub.sources import Source, download, hub_errors

MAX_ASPECT_RATIO = 32
"""Largest aspect ratio of an image that is passed to a network, see `repeat_short_side`."""


@dataclass(frozen=True)
class Network:
    """A model of transformers in `eval` mode, with the processor of its images and texts."""

    model: Any
    processor: Any
    device: torch.device
    precision: Precision

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Context in which the model is called: without gradients, and with autocast if the precision is bf16."""
        with torch.inference_mode(), autocast(self.device, self.precision):
            yield

    def preprocess(self, images: np.ndarray | list[np.ndarray]) -> dict[str, torch.Tensor]:
        """An image (H, W, 3) uint8 RGB, or several of any sizes -> the model's image inputs, on its device."""
        image_processor = getattr(self.processor, "image_processor", self.processor)
        # An image can be a few pixels wide: the channel axis must not be guessed from the shape.
        return dict(
            image_processor(images=images, input_data_format="channels_last", return_tensors="pt").to(self.device)
        )


@dataclass(frozen=True)
class Placement:
    """The device and the precision of a network.

    Weights stay in fp32, and bf16 is autocast: half of the networks go wrong with weights in half precision. Raises
    `ConfigError` for a precision other than fp32 on the CPU, and for a device that does not exist.
    """

    device: str = "auto"
    precision: Precision = "fp32"

    def __post_init__(self) -> None:
        check_precision(self.precision)
        if self.precision != "fp32" and self.torch_device.type == "cpu":
            raise ConfigError(
                f"precision: expected fp32 on the CPU with a model of the hub, got {self.precision}: "
                "leave --precision out, or take --device cuda"
            )

    @property
    def torch_device(self) -> torch.device:
        """`device` as a `torch.device`."""
        return resolve_device(self.device)


def read_network(source: Source, model: str, processor: str, placement: Placement) -> Network:
    """Load a network. model, processor: names of classes of transformers.

    Raises `CheckpointError`, in one line, if the files are missing, truncated or of another network, or cannot be
    downloaded.
    """
    import transformers

    for name in (model, processor):
        if not hasattr(transformers, name):
            raise CheckpointError(
                f"network '{source.name}': expected transformers with {name}, got {transformers.__version__} without: "
                "install a newer one"
            )
    folder = download(source)
    with hub_errors(source.name), _quiet(transformers.utils.logging):
        _check_kind(source, folder, model)
        loaded_processor = getattr(transformers, processor).from_pretrained(folder)
        network, info = getattr(transformers, model).from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported by `_check_complete`, together with missing weights
        )
    _check_complete(source, network, info)
    return Network(
        network.to(placement.torch_device).eval(), loaded_processor, placement.torch_device, placement.precision
    )


@contextmanager
def _quiet(log: Any) -> Iterator[None]:
    """Turn off progress bars and warnings of transformers while a network is loaded."""
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def _check_kind(source: Source, folder: Path, model: str) -> None:
    """Raise `CheckpointError` if the network cannot be loaded by the class of transformers called `model`."""
    import transformers

    kinds = {"AutoModelForImageTextToText": transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING}
    if model in kinds and type(transformers.AutoConfig.from_pretrained(folder)) not in kinds[model]:
        raise CheckpointError(
            f"network '{source.name}': expected one for {model}, got a '{source.model_type}': name a model of that kind"
        )


def _check_complete(source: Source, model: torch.nn.Module, info: dict[str, Any]) -> None:
    """Raise `CheckpointError` if the files lack weights: transformers would initialise those at random."""
    parameters = {name for name, _ in model.named_parameters()}
    missing = sorted(parameters & set(info["missing_keys"]))
    mismatched = sorted(key if isinstance(key, str) else key[0] for key in info["mismatched_keys"])
    if missing or mismatched:
        raise CheckpointError(
            f"network '{source.name}': expected the weights of a {type(model).__name__}, got {len(missing)} missing "
            f"and {len(mismatched)} of another shape (first: {(missing + mismatched)[0]}): use the folder or the "
            "repository of that model"
        )


def repeat_short_side(image: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """(H, W, 3) -> the image with repeated rows or columns, and how often (rows, columns) each is repeated: once,
    unless the aspect ratio exceeds `MAX_ASPECT_RATIO`, where the shorter side would vanish when a network resizes
    it."""
    height, width = image.shape[:2]
    rows, columns = (
        max(1, -(-longer // (MAX_ASPECT_RATIO * side))) for longer, side in ((width, height), (height, width))
    )
    return image.repeat(rows, axis=0).repeat(columns, axis=1), (rows, columns)
