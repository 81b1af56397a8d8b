"""The user's cache folder: where fetched bundles lie, and whether their files are what the manifest says.

A file is hashed once. `verified.json` beside it remembers size, time and hash of what was whole, so that the next start
only compares these; where it is missing, old or damaged, the file is hashed again.
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
ELSEWHERE = f"set {HOME} to another folder"
"""The advice where the cache folder cannot be used."""
VERIFIED = "verified.json"
WHOLE = "whole"


def cache_folder() -> Path:
    """`RVOS_HOME`, else the platform's cache folder of this user. It need not be there.

    Raises `ConfigError` where nothing says where this user's folders are.
    """
    if given := os.environ.get(HOME):
        return Path(given).absolute()
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "rvos"
        given = os.environ.get("XDG_CACHE_HOME", "")
        return (Path(given) if Path(given).is_absolute() else Path.home() / ".cache") / "rvos"
    except RuntimeError as error:
        raise ConfigError(
            f"cache folder: expected a home folder of this user, got none ({error}): set {HOME}"
        ) from error


def folder_of(bundle: Bundle) -> Path:
    """Where a bundle lies. Raises `ConfigError` as `cache_folder` does."""
    return cache_folder() / "weights" / bundle.name


def weights_of(name: str) -> dict[str, Path]:
    """The files of a bundle by their names in the manifest, each of them verified. No network is used.

    Raises `UnknownNameError`, and `CheckpointError` where the bundle is not whole; the message tells how to fetch it.
    """
    bundle = bundle_of(name)
    state = state_of(bundle)
    if state != WHOLE:
        raise CheckpointError(
            f"weights '{name}': expected them in {folder_of(bundle)}, got: {state}; run `rvos models fetch {name}`"
        )
    return paths_of(bundle)


def paths_of(bundle: Bundle) -> dict[str, Path]:
    """Where the files of a bundle lie, or would lie, by their names in the manifest."""
    return {file.name: folder_of(bundle) / file.name for file in bundle.files}


def faults_of(bundle: Bundle, *, thorough: bool = False) -> dict[str, str]:
    """Name of a file -> what is wrong with it: "missing", "damaged" or "unreadable". Empty for a whole bundle.

    thorough: hash every file, also those that were whole before and look unchanged.
    """
    folder = folder_of(bundle)
    before = _stamps(folder)
    stamps: dict[str, str] = {}
    faults: dict[str, str] = {}
    for file in bundle.files:
        trusted = "" if thorough else before.get(file.name, "")
        stamp, fault = _examined(folder / file.name, file, trusted)
        if fault:
            faults[file.name] = fault
        else:
            stamps[file.name] = stamp
    if stamps != before and stamps:
        with suppress(OutputError):  # a cache that can only be read is hashed every time
            write_json(folder / VERIFIED, stamps)
    return faults


def state_of(bundle: Bundle, *, thorough: bool = False) -> str:
    """Whether a bundle is there, in words: `WHOLE`, "not fetched", or what is wrong with its first bad file."""
    faults = faults_of(bundle, thorough=thorough)
    if not faults:
        return WHOLE
    if len(faults) == len(bundle.files) and set(faults.values()) == {"missing"}:
        return "not fetched"
    name, fault = next(iter(faults.items()))
    return f"not whole: {name} is {fault}" + (f", and {len(faults) - 1} more" if len(faults) > 1 else "")


def _examined(path: Path, file: PackagedFile, trusted: str) -> tuple[str, str]:
    """(stamp, fault) of a file, fault "" for a whole one. One whose stamp is `trusted` is not hashed again."""
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
    """Name of a file -> size, time and hash of what was whole; empty where nobody knows."""
    try:
        return read_json(folder / VERIFIED, "fetch it again")
    except DamagedError:
        return {}
