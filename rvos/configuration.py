"""YAML -> hydra -> frozen dataclasses. The only file that knows hydra; nothing below this door does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from image_core.errors import ConfigError, UnknownNameError
from image_core.models.table import EncoderSpec, ModelSpec
from image_core.preprocessing import Preprocessing
from image_core.training.settings import DataSpec, OptimiserSpec, TrainSettings

T = TypeVar("T")


def config_folder() -> Path:
    """`rvos/configs` of an installed wheel, or `configs` of a source tree."""
    here = Path(__file__).resolve().parent
    inside = here / "configs"
    return inside if inside.is_dir() else here.parent / "configs"


def experiments() -> list[str]:
    """The names that `experiment=` takes."""
    return sorted(path.stem for path in (config_folder() / "experiment").glob("*.yaml"))


def compose_config(entry: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The composed configuration as plain values. Raises `ConfigError` (one line) on anything hydra refuses."""
    for override in overrides:
        key, _, value = override.partition("=")
        if key.lstrip("+") == "experiment" and value and value not in experiments():
            raise UnknownNameError("experiment", value, experiments())
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3", job_name="rvos"):
            config = compose(entry, overrides=list(overrides))
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__ or error
        raise ConfigError(f"configuration {' '.join(overrides)}: {' '.join(str(cause).split())}") from error
    return {str(key): value for key, value in plain.items()}  # type: ignore[union-attr]


def train_settings(overrides: Sequence[str]) -> TrainSettings:
    """The settings of `rvos train OVERRIDES`. Raises `ConfigError`; all contradictions are reported together."""
    plain = compose_config("train", overrides)
    plain.pop("experiment", None)
    model = plain.pop("model")
    spec = ModelSpec(
        name=model["name"],
        vision=build(EncoderSpec, plain.pop("encoder"), "encoder"),
        text=build(EncoderSpec, plain.pop("text"), "text"),
        config=model.get("config") or {},
        max_words=model.get("max_words", 20),
    )
    return build(
        TrainSettings,
        plain
        | {
            "model": spec,
            "preprocessing": Preprocessing.from_dict(plain["preprocessing"]),
            "data": build(DataSpec, plain["data"], "data"),
            "optimiser": build(OptimiserSpec, plain["optimiser"], "optimiser"),
            "out": Path(plain["out"]),
        },
        "train",
    )


def build(kind: type[T], values: dict[str, Any], where: str) -> T:
    """A frozen dataclass from plain values; lists become tuples. Raises on a key that the dataclass does not have."""
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise UnknownNameError(f"setting of {where}", key, known)
    try:
        return kind(**{key: frozen(value) for key, value in values.items()})
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error


def frozen(value: Any) -> Any:
    """Lists as tuples, at every depth; everything else as it is."""
    return tuple(frozen(v) for v in value) if isinstance(value, list) else value
