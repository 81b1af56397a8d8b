"""The user's cache folder: the paths of downloaded bundles, and the check of their files against the manifest.

A file is hashed once. `verified.json` in the bundle's folder stores size, time and hash of verified files, so that the
next start only compares these; a file without a matching entry is hashed again.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from image_core.errors import CheckpointError, ConfigError, DamagedError, OutputError
from image_core.files import read_json, write_json
from image_core.identity import digest_of
from image_core.weights.manifest import Bundle, PackagedFile, bundle_of

HOME = "RVOS_HOME"
CHANGE_FOLDER_ADVICE = f"set {HOME} to another folder"
"""Advice in error messages about a cache folder that cannot be used."""
VERIFIED = "verified.json"
WHOLE = "whole"


def cache_folder() -> Path:
    """`RVOS_HOME`, else the platform's cache folder of this user. It need not exist.

    Raises `ConfigError` if the user has no home folder.
    """
    if configured := os.environ.get(HOME):
        return Path(configured).absolute()
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "rvos"
        configured = os.environ.get("XDG_CACHE_HOME", "")
        return (Path(configured) if Path(configured).is_absolute() else Path.home() / ".cache") / "rvos"
    except RuntimeError as error:
        raise ConfigError(
            f"cache folder: expected a home folder of this user, got none ({error}): set {HOME}"
        ) from error


def folder_of(bundle: Bundle) -> Path:
    """The folder of a bundle. Raises `ConfigError` as `cache_folder` does."""
    return cache_folder() / "weights" / bundle.name


def weights_of(name: str) -> dict[str, Path]:
    """The files of a bundle by their names in the manifest, each of them verified. No network is used.

    Raises `UnknownNameError`, and `CheckpointError` if a file is missing or damaged; the message names the command that
    downloads it.
    """
    bundle = bundle_of(name)
    state = state_of(bundle)
    if state != WHOLE:
        raise CheckpointError(
            f"weights '{name}': expected them in {folder_of(bundle)}, got: {state}; run `rvos models fetch {name}`"
        )
    return paths_of(bundle)


def paths_of(bundle: Bundle) -> dict[str, Path]:
    """The paths of a bundle's files by their names in the manifest, whether they exist or not."""
    return {file.name: folder_of(bundle) / file.name for file in bundle.files}


def faults_of(bundle: Bundle, *, thorough: bool = False) -> dict[str, str]:
    """Name of a file -> its fault: "missing", "damaged" or "unreadable". Empty for a complete bundle.

    thorough: hash every file, also those that were verified before and look unchanged.
    """
    folder = folder_of(bundle)
    before = _stamps(folder)
    stamps: dict[str, str] = {}
    faults: dict[str, str] = {}
    for file in bundle.files:
        trusted = "" if thorough else before.get(file.name, "")
        stamp, fault = _check_file(folder / file.name, file, trusted)
        if fault:
            faults[file.name] = fault
        else:
            stamps[file.name] = stamp
    if stamps != before and stamps:
        with suppress(OutputError):  # a cache that can only be read is hashed every time
            write_json(folder / VERIFIED, stamps)
    return faults


def state_of(bundle: Bundle, *, thorough: bool = False) -> str:
    """The state of a bundle as text: `WHOLE`, "not fetched", or the fault of its first bad file."""
    faults = faults_of(bundle, thorough=thorough)
    if not faults:
        return WHOLE
    if len(faults) == len(bundle.files) and set(faults.values()) == {"missing"}:
        return "not fetched"
    name, fault = next(iter(faults.items()))
    return f"not whole: {name} is {fault}" + (f", and {len(faults) - 1} more" if len(faults) > 1 else "")


def _check_file(path: Path, file: PackagedFile, trusted: str) -> tuple[str, str]:
    """(stamp, fault) of a file; the fault is "" for a valid file. A file whose stamp equals `trusted` is not hashed."""
    try:
        status = path.stat()
        stamp = f"{status.st_size} {status.st_mtime_ns} {file.sha256}"
        if stamp == trusted or (status.st_size == file.bytes and digest_of(path) == file.sha256):
            return stamp, ""
    except (FileNotFoundError, NotADirectoryError):
        return "", "missing"
    except OSError:
        return "", "unreadable"
    return "", "damaged"


def _stamps(folder: Path) -> dict[str, str]:
    """Name of a file -> stamp (size, time and hash) of its last verification; empty if there is no record."""
    try:
        return read_json(folder / VERIFIED, "fetch it again")
    except DamagedError:
        return {}
