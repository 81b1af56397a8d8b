"""Writing files in one step: a reader, or whoever comes after a kill, sees the old file or the new one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from image_core.errors import DamagedError, OutputError


@contextmanager
def output_errors(path: Path, advice: str = "choose another folder") -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into an `OutputError` of one line, which ends with the
    advice `advice`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path} cannot be written ({reason}): check its rights and the free space, or {advice}"
        ) from error


def make_folder(path: Path, advice: str = "choose another folder") -> None:
    """Make `path` and its parents. Raises `OutputError`, which ends with the advice `advice`."""
    with output_errors(path, advice):
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path}: expected a folder, got a file: {advice}")
        path.mkdir(parents=True, exist_ok=True)


def check_writable(path: Path, advice: str = "choose another folder") -> None:
    """See whether a folder can be made at `path`, as far as that shows without writing. Raises `OutputError`, which
    ends with the advice `advice`."""
    with output_errors(path, advice):
        nearest = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        raise OutputError(f"{path}: expected a folder, got a file {nearest}: {advice}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written (no rights in {nearest}): check its rights, or {advice}")


def temporary_of(path: Path) -> Path:
    """The name under which `path` is written before it is moved into place; a kill may leave it behind."""
    return path.with_name(f".{path.name}.tmp")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name to write to; after the block, that file is on the disk and takes the place of `path`.

    Where the block raises, `path` stays as it was. Raises `OutputError`.
    """
    temporary = temporary_of(path)
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: expected a file or nothing there, got a folder or a device: choose another name")
    with output_errors(path):
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file in one step. Raises `OutputError`."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_whole(path: Path, data: bytes) -> None:
    """Write one of many files, without waiting for the disk as `write_atomic` does: where that fails, no half of it is
    left. Raises `OutputError`."""
    with output_errors(path), path.open("wb", buffering=0) as file:
        try:
            left = memoryview(data)
            while left:  # a disk that fills up takes a part first
                left = left[file.write(left) :]
        except OSError:
            path.unlink()
            raise


def json_bytes(document: Any, indent: int | None = None, *, allow_nan: bool = False) -> bytes:
    """JSON with a final newline, keys in the order given. Lone surrogates, from file names that are not UTF-8 or from
    damaged texts, become escapes, which JSON readers turn back. Raises `ValueError` on NaN, unless `allow_nan`."""
    text = json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=allow_nan) + "\n"
    return text.encode("utf-8", "backslashreplace")


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write `document` in one step, as `json_bytes` makes it. Raises `OutputError`; `ValueError` on NaN."""
    write_atomic(path, json_bytes(document, indent=2))


def read_json(path: Path, fix: str) -> dict[str, Any]:
    """What `write_json` wrote. Raises `DamagedError`, which ends with the advice `fix`, for a file that is missing or
    holds something else."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise DamagedError(f"{path}: cannot be read ({error.strerror}): {fix}") from error
    except ValueError as error:
        raise DamagedError(f"{path}: cannot be read ({error}): {fix}") from error
    if not isinstance(document, dict):
        raise DamagedError(f"{path}: expected values by name, got {type(document).__name__}: {fix}")
    return document


def remove(files: Iterable[Path], folders: Sequence[Path] = ()) -> None:
    """Delete `files`, and then those of `folders` that are empty. A link goes, what it leads to stays.

    Raises `OutputError`.
    """
    for file in files:
        with output_errors(file):
            file.unlink(missing_ok=True)
    for folder in folders:
        with output_errors(folder):
            if not any(folder.iterdir()):
                folder.rmdir()
