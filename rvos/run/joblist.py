"""Reads a table of jobs: one job and one folder per row."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from image_core.errors import ConfigError
from rvos.run.job import Job

_COLUMNS = ("source", "expression")
_QUOTING_HINT = 'a cell with a comma needs quotation marks, as in clip.mp4,"the dog, left"'


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    source: str
    expression: str
    #: Why the row is invalid; None if it is valid.
    fault: str | None = None


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file whose first line names the columns source and expression; blank lines are skipped.

    Sources are given as on the command line. An invalid row is kept with its fault, so that the others keep their
    numbers. Raises `ConfigError` if the table as a whole cannot be read: no CSV in UTF-8, an open quotation mark,
    missing or repeated columns, no rows.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: expected a CSV file, which cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected a CSV file in UTF-8, got another ({error}): save it as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        lines = [cells for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise ConfigError(
            f"{path}, line {reader.line_num}: expected CSV, got what cannot be split ({error}): close every quotation "
            f"mark; {_QUOTING_HINT}"
        ) from error
    header = [name.strip() for name in lines[0]] if lines else []
    _check_header(path, header)
    if not lines[1:]:
        raise ConfigError(f"{path}: expected at least one row of source,expression below the first line, got no rows")
    return [_row(header, cells) for cells in lines[1:]]


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not set(_COLUMNS) <= set(header):
        other = "; cells are separated by commas" if any(mark in name for name in header for mark in ";\t") else ""
        raise ConfigError(f"{path}: expected source,expression in the first line, got columns {list(header)}{other}")
    repeated = next((name for name in header if header.count(name) > 1), None)
    if repeated is not None:
        raise ConfigError(f"{path}: expected each column once, got '{repeated}' twice in the first line: rename one")


def _row(header: Sequence[str], cells: Sequence[str]) -> Row:
    named = dict(zip(header, (cell.strip() for cell in cells), strict=False))
    source, expression = (named.get(column, "") for column in _COLUMNS)
    if len(cells) != len(header):
        return Row(source, expression, f"expected {len(header)} cells, got {len(cells)}: {_QUOTING_HINT}")
    for column in _COLUMNS:
        if not named[column]:
            return Row(source, expression, f"expected a text as {column}, got an empty cell: fill it in")
        if "\n" in named[column] or "\r" in named[column]:
            return Row(source, expression, f"expected one line as {column}, got several: close the quotation mark")
    return Row(source, expression)


def jobs_of(
    rows: Sequence[Row], out: Path, save: tuple[str, ...], only_frames: range | None, overwrite: bool
) -> list[Job]:
    """One job per row, with the folder `out/<row, 5 digits>`; rows count from 0."""
    return [
        Job(row.source, (row.expression,), out / f"{index:05d}", save, only_frames, overwrite)
        for index, row in enumerate(rows)
    ]
