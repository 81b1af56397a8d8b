"""The folder of a run: made once, continued by the same settings, in use by one run at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from image_core.errors import ConfigError
from image_core.training.settings import resumable_with

_PATIENCE_S = 10
"""A killed run's loading processes have its lock, too, and notice within 5 s that it is gone."""


def check_folder(out: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder of a run, or see that the run it holds can be continued with `settings`.

    Raises `ConfigError` where no folder can be made, and where the one there was begun with other settings.
    """
    _make(out)
    check_settings(out, settings)


def check_settings(out: Path, settings: Mapping[str, Any]) -> None:
    """See that a run with `settings` can be in `out`, making nothing. Raises `ConfigError` where another one is."""
    file = _file(out)
    differing = resumable_with(read_json(file), _plain(settings)) if file.exists() else []
    if differing:
        raise ConfigError(
            f"{out} holds a run with other settings ({', '.join(differing)}); take another out= or remove it"
        )


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Have the folder to oneself; it is made where there is none. Raises `ConfigError` where another run has it."""
    _make(out)
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout as error:
        raise ConfigError(f"{out} is in use by another run: wait for it, or take another out=") from error
    except OSError as error:
        raise ConfigError(f"out={out}: cannot be written to ({error.strerror}); take another out=") from error
    try:
        yield
    finally:
        lock.release()


def write_settings(out: Path, settings: Mapping[str, Any]) -> None:
    """Leave the settings in the folder, for `check_folder` of the next call."""
    write_json(_file(out), _plain(settings))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file at once: a kill or a loss of power leaves the old one or the new one."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w") as file:
        file.write(json.dumps(values, indent=1))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote. Raises `ConfigError` where it is damaged."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); bring it back, or remove the run's folder") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: came {values!r}, wanted values by name; bring it back, or remove the run's folder")
    return values


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out={out}: no folder can be made there ({error.strerror})") from error


def _file(out: Path) -> Path:
    return out / "settings.json"


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As they are after JSON: tuples are lists."""
    return json.loads(json.dumps(settings))
