"""What a training names, looked up before torch loads."""

from __future__ import annotations

from pathlib import Path

from image_core.data.table import author_of, layout_of
from image_core.errors import UnknownNameError
from image_core.model_file import read_header
from image_core.models.kinds import KINDS
from image_core.training.config import TrainConfig
from image_core.weights import find_model


def check_named(config: TrainConfig) -> None:
    """Raise `RvosError` where a new run names a kind of model, a dataset, its folder, or a model file that is not
    there. A run that has begun needs them no more when it is at its end, and is asked by the recipe."""
    if config.out.exists():
        return
    if config.model.name.replace("-", "_") not in KINDS:
        raise UnknownNameError("model", config.model.name, list(KINDS))
    if config.data.name != "synthetic":
        author_of(config.data.name, config.data.split_by)
        layout_of(config.data.name).folder(Path(config.data.root or ""), config.data.name)
    if config.init is not None:
        read_header(find_model(config.init))
