"""The folder of a run: made once, continued by the same settings, never mixed with those of another run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from image_core.errors import ConfigError
from image_core.training.settings import resumable_with


def check_folder(out: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder of a run, or see that the run it holds can be continued with `settings`.

    Raises `ConfigError` where no folder can be made, and where the one there was begun with other settings.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out={out}: no folder can be made there ({error.strerror})") from error
    file = _file(out)
    differing = resumable_with(json.loads(file.read_text()), _plain(settings)) if file.exists() else []
    if differing:
        raise ConfigError(
            f"{out} holds a run with other settings ({', '.join(differing)}); take another out= or remove it"
        )


def write_settings(out: Path, settings: Mapping[str, Any]) -> None:
    """Leave the settings in the folder, for `check_folder` of the next call."""
    write_json(_file(out), _plain(settings))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file at once: a kill leaves the old one or the new one."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(values, indent=1))
    temporary.replace(path)


def _file(out: Path) -> Path:
    return out / "settings.json"


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As they are after JSON: tuples are lists."""
    return json.loads(json.dumps(settings))
