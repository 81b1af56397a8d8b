"""Runs the jobs of a table, those of one video in one pass. An error in one row does not affect the others."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from image_core.errors import RvosError
from image_core.files import make_folder
from image_core.progress import Progress
from rvos.run.job import Job, Report, is_finished, run
from rvos.run.joblist import Row
from rvos.run.shared_pass import run_in_one_pass
from rvos.segmenter import VideoSegmenter
from rvos.video.source import camera_number

_LOG = logging.getLogger(__name__)
MAX_ROWS_TOGETHER = 8
"""Most rows in one pass: each has an encoder and a queue of masks in memory."""
ListProgress = Callable[[float, str], None]
"""Called with the number of rows that are done, with fractions, and the videos being processed."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one row: the report of its job, or its error in one line."""

    #: From 0.
    row: int
    job: Job
    report: Report | None = None
    error: str | None = None


@dataclass(frozen=True)
class Unit:
    """Jobs of one video that are run in one pass, by row."""

    jobs: Mapping[int, Job]

    @property
    def source(self) -> str:
        """The video of the unit."""
        return next(iter(self.jobs.values())).source


def split_into_units(rows: Sequence[Row], jobs: Sequence[Job]) -> tuple[list[Outcome], list[Unit]]:
    """The outcomes of invalid rows, and units of the valid ones: rows of one video, at most `MAX_ROWS_TOGETHER`, in the
    order of their first row. Makes the parent folder of the run folders. Raises `OutputError`."""
    for folder in {job.out.parent for job in jobs}:
        make_folder(folder)
    broken = [
        Outcome(row, job, error=each.fault)
        for row, (each, job) in enumerate(zip(rows, jobs, strict=True))
        if each.fault
    ]
    by_source: dict[str, list[dict[int, Job]]] = {}
    for row, job in enumerate(jobs):
        if rows[row].fault is None:
            units = by_source.setdefault(job.source, [{}])
            # A camera cannot be shared: its rows run one after the other.
            if len(units[-1]) == (MAX_ROWS_TOGETHER if camera_number(job.source) is None else 1):
                units.append({})
            units[-1][row] = job
    return broken, [Unit(jobs) for units in by_source.values() for jobs in units]


def is_done(unit: Unit) -> bool:
    """Whether all its jobs are finished."""
    return all(is_finished(job.out) and not job.overwrite for job in unit.jobs.values())


def run_units(units: Sequence[Unit], segmenter: VideoSegmenter, progress: ListProgress) -> Iterator[Outcome]:
    """Run units one after the other, as `run_unit` does. Raises `RvosError` for a model that cannot be loaded."""
    if not all(map(is_done, units)):
        segmenter.system.load()
    done = 0
    for unit in units:
        count = len(unit.jobs)

        def advance(frames: int, total: int | None, before: int = done, count: int = count, what: str = unit.source):
            progress(before + count * progress_share(frames, total), what)

        yield from run_unit(unit, segmenter, advance)
        done += count
        progress(done, unit.source)


def progress_share(frames: int, total: int | None) -> float:
    """The share of a video that is done, in [0, 1]; 0 if the total is unknown."""
    return min(1.0, frames / total) if total else 0.0


def run_unit(unit: Unit, segmenter: VideoSegmenter, progress: Progress) -> Iterator[Outcome]:
    """Run the jobs of a unit, in one pass if possible. Returns the outcome of each; finished jobs are not run again."""
    results: Mapping[int, Report | Exception] = {}
    if len(unit.jobs) > 1:
        try:
            results = run_in_one_pass(list(unit.jobs.values()), segmenter, progress)
        except Exception as error:
            _LOG.info("%s: its %d rows are run one by one, after: %s", unit.source, len(unit.jobs), error_line(error))
    for index, (row, job) in enumerate(unit.jobs.items()):
        result = results.get(index)
        try:
            result = result or run(job, segmenter, progress)
        except Exception as error:
            result = error
        yield Outcome(row, job, result) if isinstance(result, Report) else Outcome(row, job, error=error_line(result))


def error_line(error: Exception) -> str:
    """The error of a job, in one line."""
    if isinstance(error, RvosError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno})" if frames else ""
    return f"an error in rvos or in the model: {type(error).__name__}: {error}{place}"
