"""`rvos segment --list JOBS.csv`: many jobs, a folder a row; a broken row does not stop the others."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any

from image_core.errors import ConfigError, RvosError
from image_core.files import make_folder
from rvos.commands.running import document_of, run_watched
from rvos.run.job import Job, is_finished
from rvos.system import System

_LOG = logging.getLogger(__name__)
_COLUMNS = ("source", "expression")


def read_jobs(path: Path) -> list[tuple[str, str]]:
    """The rows (source, expression) of a CSV file whose first line names these columns; blank lines are no rows.

    Sources are as they would be on the command line. Raises `ConfigError`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            if not set(_COLUMNS) <= set(names):
                raise ConfigError(f"{path}: came a first line with columns {names}, wanted: source,expression")
            rows = [tuple((row[column] or "").strip() for column in _COLUMNS) for row in reader]
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); wanted a CSV file: source,expression") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: is no CSV file in UTF-8 ({error}); wanted lines of source,expression") from error
    if not rows:
        raise ConfigError(f"{path}: came no rows below the first line, wanted at least one: source,expression")
    return [(source, expression) for source, expression in rows]


def segment_list(
    path: Path,
    out: Path,
    system: System,
    save: tuple[str, ...],
    only_frames: range | None,
    *,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Run every row into `out/<row, 5 digits>` (rows count from 0) and give the exit code: 2 when a row was broken.

    Finished rows are done at once. Raises `RvosError` for what would break every row: the list, the model, the folder.
    """
    rows = read_jobs(path)
    make_folder(out)
    folders = [out / f"{index:05d}" for index in range(len(rows))]
    if overwrite or not all(map(is_finished, folders)):
        system.segmenter  # noqa: B018 - loaded here, so that a broken model is said once and not a row at a time
    entries: list[dict[str, Any]] = []
    for (source, expression), folder in zip(rows, folders, strict=True):
        job = Job(source, (expression,), folder, save, only_frames, overwrite)
        try:
            entry = document_of(run_watched(job, system, quiet))
        except RvosError as error:
            _LOG.error("row %d (%s): %s", len(entries), source, error)
            entry = {"out": str(folder), "source": source, "expressions": [expression], "error": str(error)}
        else:
            if not as_json:
                print(f"row {len(entries)}: {folder}")
        entries.append(entry)
    broken = sum("error" in entry for entry in entries)
    if as_json:
        print(json.dumps({"jobs": entries, "broken": broken}, ensure_ascii=False))
    return 2 if broken else 0
