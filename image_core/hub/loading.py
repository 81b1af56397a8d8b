"""One network of transformers with its processor, ready to be asked: the only place where any is read.

transformers is imported only when a network is read: the import costs seconds.
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
from image_core.hub.sources import Source, bring, told

MOST_OBLONG = 32
"""Largest aspect ratio of a picture for a network that keeps it."""


@dataclass(frozen=True)
class Network:
    """A model of transformers in `eval` mode, and what prepares pictures and texts for it."""

    model: Any
    processor: Any
    device: torch.device
    precision: Precision

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Within it the model may be called: no gradients, and the precision that was chosen."""
        with torch.inference_mode(), autocast(self.device, self.precision):
            yield

    def prepared(self, images: np.ndarray | list[np.ndarray]) -> dict[str, torch.Tensor]:
        """A picture (H, W, 3) uint8 RGB, or several of any sizes -> what the model takes of them, on its device."""
        prepare = getattr(self.processor, "image_processor", self.processor)
        # A picture can be a few pixels wide: the channel axis must not be guessed from the shape.
        return dict(prepare(images=images, input_data_format="channels_last", return_tensors="pt").to(self.device))


@dataclass(frozen=True)
class Where:
    """On which device, and in which precision a network computes.

    Weights stay fp32, and bf16 is autocast: half of them go wrong in half precision. Raises `ConfigError` for another
    precision than fp32 on the CPU, and where the device is not there.
    """

    device: str = "auto"
    precision: Precision = "fp32"

    def __post_init__(self) -> None:
        check_precision(self.precision)
        if self.precision != "fp32" and self.resolved.type == "cpu":
            raise ConfigError(
                f"precision: expected fp32 on the CPU with a model of the hub, got {self.precision}: "
                "leave --precision out, or take --device cuda"
            )

    @property
    def resolved(self) -> torch.device:
        """The device itself."""
        return resolve_device(self.device)


def read_network(source: Source, model: str, processor: str, where: Where) -> Network:
    """model, processor: names of classes of transformers.

    Raises `CheckpointError`, in one line, where the files are missing, truncated or of another network, or cannot be
    downloaded.
    """
    import transformers

    for name in (model, processor):
        if not hasattr(transformers, name):
            raise CheckpointError(
                f"network '{source.name}': expected transformers with {name}, got {transformers.__version__} without: "
                "install a newer one"
            )
    folder = bring(source)
    with told(source.name), _quiet(transformers.utils.logging):
        _refuse_other_kind(source, folder, model)
        prepare = getattr(transformers, processor).from_pretrained(folder)
        read, info = getattr(transformers, model).from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below, with what is missing
        )
    _refuse_incomplete(source, read, info)
    return Network(read.to(where.resolved).eval(), prepare, where.resolved, where.precision)


@contextmanager
def _quiet(log: Any) -> Iterator[None]:
    """While a network is read, transformers draws no bars and gives no warnings: our own messages say what matters."""
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def _refuse_other_kind(source: Source, folder: Path, model: str) -> None:
    """Raise `CheckpointError` where the class of transformers is for networks of another kind."""
    import transformers

    kinds = {"AutoModelForImageTextToText": transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING}
    if model in kinds and type(transformers.AutoConfig.from_pretrained(folder)) not in kinds[model]:
        raise CheckpointError(
            f"network '{source.name}': expected one for {model}, got a '{source.model_type}': name a model of that kind"
        )


def _refuse_incomplete(source: Source, model: torch.nn.Module, info: dict[str, Any]) -> None:
    """Raise `CheckpointError` where the files lack weights: those would be random, and so would the answers."""
    parameters = {name for name, _ in model.named_parameters()}
    lacking = sorted(parameters & set(info["missing_keys"]))
    other = sorted(key if isinstance(key, str) else key[0] for key in info["mismatched_keys"])
    if lacking or other:
        raise CheckpointError(
            f"network '{source.name}': expected the weights of a {type(model).__name__}, got {len(lacking)} missing "
            f"and {len(other)} of another shape (first: {(lacking + other)[0]}): use the folder or the repository of "
            "that model"
        )


def thickened(image: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """(H, W, 3) -> the picture, and how often its rows and columns are repeated in it: once, except in a picture so
    oblong that its shorter side would vanish when it is resized for a network."""
    height, width = image.shape[:2]
    rows, columns = (max(1, -(-longer // (MOST_OBLONG * side))) for longer, side in ((width, height), (height, width)))
    return image.repeat(rows, axis=0).repeat(columns, axis=1), (rows, columns)
