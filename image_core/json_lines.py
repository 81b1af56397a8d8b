"""A log of JSON lines: only ever appended to, readable while it grows, and whole but for its last line after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from image_core.errors import DamagedError
from image_core.files import json_bytes, output_errors, write_atomic

Row = TypeVar("Row")


def read_lines(path: Path, parse: Callable[[Any], Row], fix: str) -> Iterator[Row]:
    """The rows of a log in order, none where there is no file. A last line without its end is no row.

    parse: turns the JSON value of a line into a row; it raises `ValueError`, `TypeError`, `KeyError` or
    `AttributeError` where it cannot. Raises `DamagedError`, which names the line and ends with the advice `fix`.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                row = parse(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise DamagedError(f"{path}, line {number}: cannot be read ({error}): {fix}") from error
            yield row


def append_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add a line a row, in one write that is on the disk when this returns. Raises `OutputError`.

    A torn last line must be cut before: `cut_torn_line`.
    """
    with output_errors(path), path.open("ab") as file:
        file.write(_encoded(rows))
        file.flush()
        os.fsync(file.fileno())


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a whole log in one step, in place of the one that is there. Raises `OutputError`."""
    write_atomic(path, _encoded(rows))


def cut_torn_line(path: Path) -> None:
    """Make a log ready to be appended to: a last line that a kill cut short goes. Nothing else is touched, and no file
    is made. Raises `OutputError`."""
    if not path.exists():
        return
    with output_errors(path), path.open("r+b") as file:
        end = file.read().rfind(b"\n") + 1
        file.truncate(end)


def _encoded(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(json_bytes(row, allow_nan=True) for row in rows)
