"""YAML -> hydra -> frozen dataclasses. The only file that knows hydra; nothing below this door does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, OmegaConfBaseException

from image_core.errors import ConfigError, UnknownNameError
from image_core.field_types import fits, misfits
from image_core.models.table import EncoderSpec, ModelSpec
from image_core.preprocessing import Preprocessing
from image_core.training.settings import DataSpec, OptimiserSpec, TrainSettings
from image_core.weak.predicates import SpatialRules
from image_core.weak.prompting import PromptStyle
from image_core.weak.settings import BootstrapSettings, FilterSpec
from image_core.weak.sparc import SparcConfig

T = TypeVar("T")

_FREE_FORM = ("model.config.", "encoder.options.", "text.options.")
"""Settings whose names the built part knows and the YAML need not list."""


def config_folder() -> Path:
    """`rvos/configs` of an installed wheel, or `configs` of a source tree."""
    here = Path(__file__).resolve().parent
    inside = here / "configs"
    return inside if inside.is_dir() else here.parent / "configs"


def experiments() -> list[str]:
    """The names that `experiment=` takes."""
    return sorted(path.stem for path in (config_folder() / "experiment").glob("*.yaml"))


def compose_config(entry: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The composed configuration as plain values.

    Raises `UnknownNameError` for a setting, group member or experiment that is not there, and `ConfigError` (one line)
    for anything else that hydra refuses.
    """
    for override in overrides:
        key, _, value = override.partition("=")
        if key.lstrip("+") == "experiment" and value and value not in experiments():
            raise UnknownNameError("experiment", value, experiments())
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3", job_name="rvos"):
            config = compose(entry, overrides=[_settable(override) for override in overrides])
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise _refusal(error, overrides) from error
    return {str(key): value for key, value in plain.items()}  # type: ignore[union-attr]


def _settable(override: str) -> str:
    return f"++{override}" if override.startswith(_FREE_FORM) else override


def _refusal(error: Exception, overrides: Sequence[str]) -> ConfigError | UnknownNameError:
    """What hydra says over many lines, as one of ours."""
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, member = str(error.missing_cfg_file).partition("/")
        return UnknownNameError(group, member, list(error.options))
    cause = error.__cause__ or error
    if isinstance(cause, ConfigAttributeError) and cause.full_key and cause.parent_node is not None:
        *where, key = cause.full_key.split(".")
        known = [str(k) for k in cause.parent_node if k != "hydra"]
        return UnknownNameError(" ".join(["setting", *(["of", ".".join(where)] if where else [])]), key, known)
    shown = " ".join(" ".join(overrides).split())
    return ConfigError(f"configuration {shown}: {' '.join(str(cause).split())}")


def train_settings(overrides: Sequence[str]) -> TrainSettings:
    """The settings of `rvos train OVERRIDES`. Raises `ConfigError` or `UnknownNameError`, in one line."""
    plain = compose_config("train", overrides)
    plain.pop("bootstrap", None)  # what an experiment adds for `rvos bootstrap`
    return _train_settings(plain)


def bootstrap_settings(overrides: Sequence[str]) -> BootstrapSettings:
    """The settings of `rvos bootstrap OVERRIDES`. Raises `ConfigError` or `UnknownNameError`, in one line."""
    plain = compose_config("bootstrap", overrides)
    data = _group(plain, "data")
    labels = plain["labels"]
    if not (fits(labels, float) and 0 < labels < 1):
        raise ConfigError(f"labels is {labels!r}, wanted a share of the pictures above 0 and below 1")
    if data["labels"] != 1:
        raise ConfigError(f"data.labels is {data['labels']}, which is for `rvos train`; wanted labels={data['labels']}")
    plain["data"] = data | {"labels": plain.pop("labels")}
    added = _group(plain, "bootstrap")
    del plain["bootstrap"]
    if plain["steps"] != added["first_steps"] and any(told.lstrip("+").startswith("steps=") for told in overrides):
        raise ConfigError(
            f"steps is {plain['steps']}, which this experiment does not read; wanted bootstrap.first_steps="
            f"{plain['steps']}, and bootstrap.round_steps=N for the later rounds"
        )
    sparc = _group(added, "sparc", "bootstrap.")
    style = build(PromptStyle, _group(sparc, "style", "bootstrap.sparc."), "bootstrap.sparc.style")
    spatial = build(SpatialRules, _group(sparc, "spatial", "bootstrap.sparc."), "bootstrap.sparc.spatial")
    parts = {
        "train": _train_settings(plain | {"steps": added["first_steps"]}),
        "filter": build(FilterSpec, _group(added, "filter", "bootstrap."), "bootstrap.filter"),
        "sparc": build(SparcConfig, sparc | {"style": style, "spatial": spatial}, "bootstrap.sparc"),
    }
    return build(BootstrapSettings, added | parts, "bootstrap")


def _group(plain: dict[str, Any], key: str, where: str = "") -> dict[str, Any]:
    """The settings under `key`. Raises `ConfigError` where something else stands there."""
    group = plain.get(key)
    if not isinstance(group, dict):
        raise ConfigError(f"{where}{key}: came {group!r}, wanted settings: {where}{key}.KEY=VALUE")
    return group


def _train_settings(plain: dict[str, Any]) -> TrainSettings:
    """A composed configuration as `TrainSettings`."""
    plain.pop("experiment", None)
    for group in ("model", "encoder", "text", "data", "optimiser", "preprocessing"):
        _group(plain, group)
    encoders = {
        "vision": build(EncoderSpec, plain.pop("encoder"), "encoder"),
        "text": build(EncoderSpec, plain.pop("text"), "text"),
    }
    spec = build(ModelSpec, plain.pop("model") | encoders, "model")
    if not isinstance(plain["out"], str):
        raise ConfigError(f"out: came {plain['out']!r}, wanted a folder")
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
    """A frozen dataclass from plain values; lists become tuples.

    Raises `UnknownNameError` on a key that the dataclass does not have and `ConfigError` on values it cannot take.
    """
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise UnknownNameError(f"setting of {where}", key, known)
    if faults := list(misfits(kind, values, where, plain=True)):
        raise ConfigError("; ".join(faults))
    try:
        return kind(**{key: frozen(value) for key, value in values.items()})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


def frozen(value: Any) -> Any:
    """Lists as tuples, at every depth; everything else as it is."""
    return tuple(frozen(v) for v in value) if isinstance(value, list) else value
