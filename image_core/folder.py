"""The output folder of a run: its lock and its settings.

A run combines the functions that it needs: `lock_folder` (one run at a time, or the shards of one run),
`check_settings` and `write_settings` (a run with the same settings continues, another is refused), `prepare_folder`
(both, with overwriting), `run_folder` (all of these), `refuse_foreign` (folders that were not written by rvos).
For writing files see `image_core.files` and `image_core.json_lines`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from image_core.errors import DamagedError, InUseError, OutputError
from image_core.files import make_folder, output_errors, read_json, write_json

SETTINGS = "settings.json"
LOCK = ".lock"
_ENTRY_LOCK = ".settings.lock"
"""Locked while a run or a shard prepares the folder, so that they do so one after the other."""
Shard = tuple[int, int]
"""(i, n): part i of n of a run, from 1."""
WHOLE: Shard = (1, 1)
_PROJECT = "rvos "


@dataclass(frozen=True)
class RunKind:
    """The kind of run that a folder is for, and the advice in the error messages about the folder.

    Raises `ValueError` for a name of another form.
    """

    #: Written to `settings.json`; begins with "rvos ".
    name: str
    #: Version of the files that such a run writes; runs of other versions are not continued.
    version: int = 1
    #: The settings, by dotted key, in which a run and its continuation may differ.
    ignored_keys: frozenset[str] = frozenset()
    #: Seconds to wait for a run that is ending: the helper processes of a killed run keep its lock for a few seconds,
    #: until they notice.
    lock_timeout_s: float = 0.0
    #: Advice how to replace another run.
    overwrite_advice: str = "pass --overwrite"
    #: Advice for runs that differ in one setting alone, by its key; comes before the others.
    advice_by_key: Mapping[str, str] = field(default_factory=dict)
    #: Advice how to avoid the folder.
    other_folder_advice: str = "choose another --out"

    def __post_init__(self) -> None:
        if not self.name.startswith(_PROJECT):
            raise ValueError(f"RunKind.name: expected '{_PROJECT}...', got '{self.name}'")

    def differing(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
        """The dotted keys, without `ignored_keys`, in which two runs differ, sorted. Both are plain JSON values."""
        return [key for key in differing_keys(old, new) if key not in self.ignored_keys]


def differing_keys(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The dotted keys ("tracker.gate") whose values differ, sorted; a key that only one has differs.

    Where two parts have different names, only the name is listed: their other settings do not correspond.
    """
    if prefix and one.get("name") != other.get("name"):
        return [f"{prefix}name"]
    differing: list[str] = []
    for key in sorted(one.keys() | other.keys()):
        a, b = one.get(key), other.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            differing += differing_keys(a, b, f"{prefix}{key}.")
        elif key not in one or key not in other or a != b:
            differing.append(prefix + key)
    return differing


def digest_of(settings: Mapping[str, Any]) -> str:
    """SHA-256 of settings, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


@contextmanager
def lock_folder(folder: Path, kind: RunKind, shard: Shard = WHOLE) -> Iterator[None]:
    """Lock a folder, which is created if missing, for one run or for the shards of one n.

    Shards of the same n may hold it together, but not together with a whole run or with shards of another n. Raises
    `InUseError`, and `OutputError` where it cannot be written.
    """
    make_folder(folder, kind.other_folder_advice)
    name = _lock_name(shard)
    with _locked_file(folder, name, kind):
        for path in folder.glob(f"{LOCK}*"):
            side_by_side = shard != WHOLE and path.name.endswith(f"_of_{shard[1]}")
            if path.name != name and not side_by_side:
                with _locked_file(folder, path.name, kind):
                    pass
        yield


def _lock_name(shard: Shard) -> str:
    return LOCK if shard == WHOLE else f"{LOCK}_{shard[0]}_of_{shard[1]}"


@contextmanager
def _locked_file(folder: Path, name: str, kind: RunKind) -> Iterator[None]:
    lock = FileLock(folder / name)
    with output_errors(folder, kind.other_folder_advice):
        try:
            lock.acquire(timeout=kind.lock_timeout_s)
        except Timeout as error:
            raise InUseError(
                f"{folder} is in use by another run: wait for it to end, or {kind.other_folder_advice}"
            ) from error
    try:
        yield
    finally:
        lock.release()


def stored_settings(folder: Path, kind: RunKind) -> dict[str, Any] | None:
    """The settings of the run that lies in a folder; None where there is no `settings.json`.

    Raises `OutputError` where that file is not ours, or of another kind or version, and `DamagedError` where it cannot
    be read.
    """
    path = folder / SETTINGS
    with output_errors(folder, kind.other_folder_advice):
        if not path.is_file():
            return None
    document = read_json(path, f"{kind.overwrite_advice}, or {kind.other_folder_advice}")
    stored = document.get("kind")
    if not isinstance(stored, str) or not stored.startswith(_PROJECT) or not isinstance(document.get("settings"), dict):
        raise _foreign_folder(folder, SETTINGS)
    if stored != kind.name:
        raise OutputError(
            f"{folder}: expected the folder of an '{kind.name}', got an '{stored}': {kind.other_folder_advice}"
        )
    if document.get("version") != kind.version:
        raise OutputError(
            f"{folder}: expected a run of format version {kind.version}, got {document.get('version')}: "
            f"{kind.other_folder_advice}"
        )
    return document["settings"]


def refuse_foreign(folder: Path, kind: RunKind, names: Sequence[str]) -> None:
    """Check that a folder holds a run of ours, or nothing of anybody's. names: entries of the folder that a run makes
    only after its settings.

    Raises `OutputError` for a folder of somebody else, which must not be written to and never be cleared.
    """
    try:
        is_ours = stored_settings(folder, kind) is not None
    except DamagedError as error:  # nobody knows whose it was
        raise _foreign_folder(folder, SETTINGS) from error
    if names and not is_ours:
        raise _foreign_folder(folder, names[0])


def _foreign_folder(folder: Path, name: str) -> OutputError:
    return OutputError(f"{folder} holds no run of rvos, but '{name}': choose an empty or a new folder")


def check_settings(folder: Path, kind: RunKind, settings: Mapping[str, Any]) -> bool:
    """Whether a folder holds a run of these settings; False where it holds none. Nothing is written.

    Raises `OutputError` where it holds another run; the message names the settings that differ.
    """
    old = stored_settings(folder, kind)
    if old is None:
        return False
    differing = kind.differing(old, _plain(settings))
    if differing:
        advice = [kind.overwrite_advice, f"or {kind.other_folder_advice}"]
        if len(differing) == 1 and differing[0] in kind.advice_by_key:
            advice.insert(0, kind.advice_by_key[differing[0]])
        raise OutputError(f"{folder} holds another run (different: {', '.join(differing)}): {', '.join(advice)}")
    return True


def write_settings(folder: Path, kind: RunKind, settings: Mapping[str, Any]) -> None:
    """Write the settings of a run to its folder, in one step. Raises `OutputError`."""
    write_json(folder / SETTINGS, {"kind": kind.name, "version": kind.version, "settings": _plain(settings)})


def prepare_folder(
    folder: Path, kind: RunKind, settings: Mapping[str, Any], clear: Callable[[], None] | None = None
) -> bool:
    """Prepare a folder that is locked by `lock_folder` for this run. True if it already holds an unfinished run of the
    same settings.

    clear: removes the files of another run, before its settings are replaced; None where nothing may be overwritten.
    A folder that holds no run of this kind is never cleared. Raises `OutputError`.
    """
    if clear is None:
        if check_settings(folder, kind, settings):
            return True
    else:
        with suppress(DamagedError):  # overwriting is the way out of it
            stored_settings(folder, kind)
        clear()  # before the settings: what a kill leaves never lies under those of another run
    write_settings(folder, kind, settings)
    return False


@contextmanager
def run_folder(
    folder: Path,
    kind: RunKind,
    settings: Mapping[str, Any],
    clear: Callable[[], None] | None = None,
    shard: Shard = WHOLE,
) -> Iterator[None]:
    """`lock_folder` and `prepare_folder` for a run of these settings, or for shard i of n of it. Shards may start at
    the same time. Raises `OutputError` if the folder is in use, holds another run, or cannot be written."""
    make_folder(folder, kind.other_folder_advice)
    with ExitStack() as stack:
        with output_errors(folder, kind.other_folder_advice), FileLock(folder / _ENTRY_LOCK):
            stack.enter_context(lock_folder(folder, kind, shard))
            prepare_folder(folder, kind, settings, clear)
        yield


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As they are after JSON: tuples are lists. Raises `ValueError` on NaN."""
    return json.loads(json.dumps(settings, sort_keys=True, allow_nan=False))
