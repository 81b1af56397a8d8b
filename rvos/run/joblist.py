"""Many jobs from one table: a folder a row; a broken row does not stop the others."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from image_core.errors import ConfigError, RvosError
from image_core.files import make_folder
from rvos.run.job import Job, Report, is_finished
from rvos.segmenter import VideoSegmenter

_COLUMNS = ("source", "expression")


def read_rows(path: Path) -> list[tuple[str, str]]:
    """The rows (source, expression) of a CSV file whose first line names these columns; blank lines are no rows.

    Sources are as they would be on the command line. Raises `ConfigError`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            if not set(_COLUMNS) <= set(names):
                raise ConfigError(f"{path}: expected source,expression in the first line, got columns {names}")
            rows = [tuple((row[column] or "").strip() for column in _COLUMNS) for row in reader]
    except OSError as error:
        raise ConfigError(f"{path}: expected a CSV file, which cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: expected a CSV file in UTF-8, with lines of source,expression ({error})") from error
    if not rows:
        raise ConfigError(f"{path}: expected at least one row of source,expression below the first line, got no rows")
    return [(source, expression) for source, expression in rows]


def jobs_of(
    rows: Sequence[tuple[str, str]], out: Path, save: tuple[str, ...], only_frames: range | None, overwrite: bool
) -> list[Job]:
    """A job a row (source, expression), into `out/<row, 5 digits>`; rows count from 0."""
    return [
        Job(source, (expression,), out / f"{index:05d}", save, only_frames, overwrite)
        for index, (source, expression) in enumerate(rows)
    ]


@dataclass(frozen=True)
class Outcome:
    """What became of one job: its report, or the error that broke it."""

    job: Job
    report: Report | None = None
    error: RvosError | None = None


def run_jobs(
    jobs: Sequence[Job],
    out: Path,
    segmenter: VideoSegmenter,
    run_one: Callable[[Job, VideoSegmenter], Report],
) -> Iterator[Outcome]:
    """Run the jobs one after the other; finished ones are done at once.

    run_one: `rvos.run.job.run`, or that with somebody watching. Raises `RvosError` for what would break every job: the
    model, the folder `out`.
    """
    make_folder(out)
    if not all(is_finished(job.out) and not job.overwrite for job in jobs):
        segmenter.system.load()  # a broken model is said once, and not a job at a time
    for job in jobs:
        try:
            yield Outcome(job, run_one(job, segmenter))
        except RvosError as error:
            yield Outcome(job, error=error)
