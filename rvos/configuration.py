"""Reads YAML and `--set` values into frozen dataclasses. The only file that imports hydra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, OmegaConfBaseException

from image_core.building import build
from image_core.errors import ConfigError, UnknownNameError
from image_core.faults import Faults
from image_core.field_types import has_type
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.preprocessing import Preprocessing
from image_core.training.config import DataConfig, OptimiserConfig, TrainConfig
from image_core.weak.config import BootstrapConfig
from rvos.export.style_settings import STYLE_SETTINGS
from rvos.system import SETTINGS, SystemConfig, build_config

_FREE_FORM = ("model.config.", "encoder.options.", "text.options.")
"""Settings that need not be listed in the YAML; their names are checked when the object is built."""
_OPTION_SETTINGS = ("model", "device", "precision")
"""Settings that have their own command line options, and are rejected by `--set`."""


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

    Raises `UnknownNameError` for an unknown setting, group member or experiment, and `ConfigError` (one line) for any
    other error of hydra.
    """
    for override in overrides:
        _parse_override(override)
        key, _, value = override.partition("=")
        if key.lstrip("+") == "experiment" and value and value not in experiments():
            raise UnknownNameError("experiment", value, experiments())
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3", job_name="rvos"):
            config = compose(entry, overrides=[_with_prefix(override) for override in overrides])
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise _translated_error(error, overrides) from error
    return {str(key): value for key, value in plain.items()}  # type: ignore[union-attr]


def _with_prefix(override: str) -> str:
    return f"++{override}" if override.startswith(_FREE_FORM) else override


def _translated_error(error: Exception, overrides: Sequence[str]) -> ConfigError | UnknownNameError:
    """An error of hydra, which has several lines, as one of ours."""
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


def system_config(
    overrides: Sequence[str] = (), *, propagation: str | None = None, tracker: str | None = None, **strings: str
) -> SystemConfig:
    """The video system of `--set OVERRIDE ... --propagation NAME --tracker NAME`.

    strings: fields of `SystemConfig` that are passed on unchanged: free text never becomes an override. Raises
    `ConfigError` or `UnknownNameError` with all errors in one line.
    """
    faults, plain = Faults(), dict[str, Any](strings)
    for key, name in (("propagation", propagation), ("tracker", tracker)):
        if name is not None:
            plain[key] = {"name": name}
    for override in overrides:
        with faults.gathered():
            _set_value(plain, *_setting(override))
    for key, name in (("propagation", propagation), ("tracker", tracker)):
        other = plain.get(key) if name is not None else None
        if isinstance(other, dict) and other.get("name", name) != name:
            faults.add(f"{key}: expected one, got --{key} {name} and --set {key}={other['name']}: leave one out")
    return build_config(plain, faults)


def _setting(override: str) -> tuple[list[str], Any]:
    """`tracker.meaning.switch=2` -> (["tracker", "meaning", "switch"], 2): the value as in YAML."""
    key, sign, value = (part.strip() for part in override.partition("="))
    first = key.partition(".")[0]
    if not (sign and first):
        raise ConfigError(f"--set: expected KEY=VALUE, got '{override}'; for example --set video.stream=1")
    if first in _OPTION_SETTINGS:
        raise ConfigError(f"--set {first}: use --{first}")
    if first in STYLE_SETTINGS:
        raise ConfigError(f"--set {first}: expected a setting of the system, got one of drawing: rvos draw, afterwards")
    if first not in SETTINGS:
        raise UnknownNameError("setting", first, [known for known in SETTINGS if known not in _OPTION_SETTINGS])
    parsed = _parse_override(f"{key}={value}", "--set: ")
    if parsed.package is not None or "/" in parsed.key_or_group:
        raise ConfigError(f"--set: expected KEY=VALUE, got '{override}'; for example --set video.stream=1")
    return parsed.key_or_group.split("."), _with_string_keys(parsed.value())


def _set_value(plain: dict[str, Any], path: list[str], value: Any) -> None:
    """Set one value in nested settings. Naming a propagator or tracker keeps its other settings."""
    if len(path) == 1 and path[0] in ("propagation", "tracker") and isinstance(value, str):
        path = [*path, "name"]
    *above, last = path
    for name in above:
        if not isinstance(plain.get(name), dict):
            plain[name] = {}
        plain = plain[name]
    plain[last] = value


def _with_string_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_string_keys(inner) for key, inner in value.items()}
    return value


def _parse_override(override: str, where: str = "") -> Override:
    """`KEY=VALUE`, parsed by hydra's grammar. Raises `ConfigError` for anything else, and for several values at
    once."""
    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException as error:
        raise _not_a_plain_value(override, where) from error
    if parsed.is_sweep_override():
        raise _not_a_plain_value(override, where)
    return parsed


def _not_a_plain_value(override: str, where: str) -> ConfigError:
    return ConfigError(
        f"{where}expected KEY=VALUE with a plain value (in quotes of its own, KEY=\"'a,b'\", where it has commas, "
        f"brackets, braces or '='), got '{override}'"
    )


def train_config(overrides: Sequence[str]) -> TrainConfig:
    """The settings of `rvos train OVERRIDES`. Raises `ConfigError` or `UnknownNameError`, in one line."""
    plain = compose_config("train", overrides)
    plain.pop("bootstrap", None)  # what an experiment adds for `rvos bootstrap`
    return _train_config(plain)


def bootstrap_config(overrides: Sequence[str]) -> BootstrapConfig:
    """The settings of `rvos bootstrap OVERRIDES`. Raises `ConfigError` or `UnknownNameError`, in one line."""
    plain = compose_config("bootstrap", overrides)
    data = _group(plain, "data")
    labels = plain["labels"]
    if not (has_type(labels, float) and 0 < labels < 1):
        raise ConfigError(f"labels: expected a share of the images above 0 and below 1, got {labels!r}")
    if data["labels"] != 1:
        got = data["labels"]
        raise ConfigError(f"data.labels: expected 1, got {got}, which is for `rvos train`; use labels={got}")
    plain["data"] = data | {"labels": plain.pop("labels")}
    added = _group(plain, "bootstrap")
    del plain["bootstrap"]
    if plain["steps"] != added["first_steps"] and any(told.lstrip("+").startswith("steps=") for told in overrides):
        raise ConfigError(
            f"steps: got {plain['steps']}, which this experiment does not read; say bootstrap.first_steps="
            f"{plain['steps']}, and bootstrap.round_steps=N for the later rounds"
        )
    train = _train_config(plain | {"steps": added["first_steps"]})
    return build(BootstrapConfig, added | {"train": train}, "bootstrap")


def _group(plain: dict[str, Any], key: str, where: str = "") -> dict[str, Any]:
    """The settings under `key`. Raises `ConfigError` for any other value."""
    group = plain.get(key)
    if not isinstance(group, dict):
        raise ConfigError(f"{where}{key}: expected settings ({where}{key}.KEY=VALUE), got {group!r}")
    return group


def _train_config(plain: dict[str, Any]) -> TrainConfig:
    """A composed configuration as `TrainConfig`."""
    plain.pop("experiment", None)
    for group in ("model", "encoder", "text", "data", "optimiser", "preprocessing"):
        _group(plain, group)
    encoders = {
        "vision": build(EncoderConfig, plain.pop("encoder"), "encoder"),
        "text": build(EncoderConfig, plain.pop("text"), "text"),
    }
    spec = build(ModelConfig, plain.pop("model") | encoders, "model")
    if not isinstance(plain["out"], str):
        raise ConfigError(f"out: expected a folder, got {plain['out']!r}")
    return build(
        TrainConfig,
        plain
        | {
            "model": spec,
            "preprocessing": Preprocessing.from_dict(plain["preprocessing"]),
            "data": build(DataConfig, plain["data"], "data"),
            "optimiser": build(OptimiserConfig, plain["optimiser"], "optimiser"),
            "out": Path(plain["out"]),
        },
        "train",
    )
