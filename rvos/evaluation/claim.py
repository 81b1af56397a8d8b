"""Who may write into the folder of an evaluation: one run at a time, or the shards of one run, all of one setting."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rvos.export.files import make_folder, write_json
from rvos.types import OutputError

SETTINGS = "settings.json"
WHOLE = (1, 1)


@contextmanager
def claimed(
    out: Path, settings: dict[str, Any], clear: Callable[[], None] | None, shard: tuple[int, int] = WHOLE
) -> Iterator[None]:
    """Own `out`, or shard i of n of it, for a run of these settings.

    clear: removes what another run left there, whose settings are then replaced; None where nothing may be overwritten.
    Shards of one n run side by side; a whole run, or shards of another n, do not run beside them. Raises `OutputError`:
    in use, of another run, or not to be written.
    """
    make_folder(out)
    with _held(out, shard):
        with FileLock(out / ".settings.lock"):  # shards may start together
            _agree(out, settings, clear)
        yield


@contextmanager
def _held(out: Path, shard: tuple[int, int]) -> Iterator[None]:
    name = _lock_name(shard)
    with _taken(out, out / name):
        for path in out.glob(".lock*"):
            side_by_side = shard != WHOLE and path.name.endswith(f"_of_{shard[1]}")
            if path.name != name and not side_by_side:
                with _taken(out, path):
                    pass
        yield


def _lock_name(shard: tuple[int, int]) -> str:
    return ".lock" if shard == WHOLE else f".lock_{shard[0]}_of_{shard[1]}"


@contextmanager
def _taken(out: Path, path: Path) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise OutputError(f"{out} is in use by another run: wait for it, or choose another --out") from error
    try:
        yield
    finally:
        lock.release()


def _agree(out: Path, settings: dict[str, Any], clear: Callable[[], None] | None) -> None:
    path = out / SETTINGS
    if clear is not None:
        clear()  # before the settings: what a kill leaves never lies under those of another run
    old = None if clear is not None else _read(path)
    if old is None:
        write_json(path, settings)
        return
    differing = sorted(key for key in old.keys() | settings.keys() if old.get(key) != settings.get(key))
    if differing:
        what = ", ".join(differing)
        raise OutputError(f"{out} holds another run ({what} differ): pass --overwrite, or choose another --out")


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise OutputError(f"{path}: damaged ({error}): pass --overwrite, or choose another --out") from error
