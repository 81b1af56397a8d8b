"""The jobs of a table, run: rows of one video together; what breaks one of them is its own failure."""

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
from rvos.run.together import run_together
from rvos.segmenter import VideoSegmenter
from rvos.video.source import camera_number

_LOG = logging.getLogger(__name__)
MOST_TOGETHER = 8
"""Rows that are watched together at most: each has its encoder and its queue of masks, which are memory."""
ListProgress = Callable[[float, str], None]
"""Called with how many rows are done, parts of them included, and what is being watched."""


@dataclass(frozen=True)
class Outcome:
    """What became of one row: the report of its job, or what broke it, in one line."""

    #: From 0.
    row: int
    job: Job
    report: Report | None = None
    error: str | None = None


@dataclass(frozen=True)
class Unit:
    """Jobs that are run in one go, by their rows."""

    jobs: Mapping[int, Job]

    @property
    def source(self) -> str:
        """The video of all of them."""
        return next(iter(self.jobs.values())).source


def split(rows: Sequence[Row], jobs: Sequence[Job]) -> tuple[list[Outcome], list[Unit]]:
    """What is wrong with rows that are no jobs, and the others: those of one video together, `MOST_TOGETHER` at most,
    where it first stands. The folder that all of them lie in is made. Raises `OutputError`."""
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
            # A camera shows everything once: its rows follow each other.
            if len(units[-1]) == (MOST_TOGETHER if camera_number(job.source) is None else 1):
                units.append({})
            units[-1][row] = job
    return broken, [Unit(jobs) for units in by_source.values() for jobs in units]


def is_done(unit: Unit) -> bool:
    """Nothing of it has to be run."""
    return all(is_finished(job.out) and not job.overwrite for job in unit.jobs.values())


def run_units(units: Sequence[Unit], segmenter: VideoSegmenter, progress: ListProgress) -> Iterator[Outcome]:
    """Run them one after the other, as `run_unit` does. Raises `RvosError` for a model that cannot be loaded, which
    would break every one."""
    if not all(map(is_done, units)):
        segmenter.system.load()
    done = 0
    for unit in units:
        count = len(unit.jobs)

        def advance(frames: int, total: int | None, before: int = done, count: int = count, what: str = unit.source):
            progress(before + count * share_of(frames, total), what)

        yield from run_unit(unit, segmenter, advance)
        done += count
        progress(done, unit.source)


def share_of(frames: int, total: int | None) -> float:
    """How much of a video is done, in [0, 1]; 0 where nobody knows."""
    return min(1.0, frames / total) if total else 0.0


def run_unit(unit: Unit, segmenter: VideoSegmenter, progress: Progress) -> Iterator[Outcome]:
    """Run the jobs of a unit, together where that can be, and tell what became of each; finished ones are done at
    once."""
    endings: Mapping[int, Report | Exception] = {}
    if len(unit.jobs) > 1:
        try:
            endings = run_together(list(unit.jobs.values()), segmenter, progress)
        except Exception as error:
            _LOG.info("%s: its %d rows are run one by one, after: %s", unit.source, len(unit.jobs), told(error))
    for index, (row, job) in enumerate(unit.jobs.items()):
        ending = endings.get(index)
        try:
            ending = ending or run(job, segmenter, progress)
        except Exception as error:
            ending = error
        yield Outcome(row, job, ending) if isinstance(ending, Report) else Outcome(row, job, error=told(ending))


def told(error: Exception) -> str:
    """What broke a job, in one line."""
    if isinstance(error, RvosError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno})" if frames else ""
    return f"a fault of ours, or of the model: {type(error).__name__}: {error}{place}"
