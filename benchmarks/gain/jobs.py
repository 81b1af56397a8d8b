"""Runs the jobs that are not yet finished, by their rows on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.gain.work import Job
from benchmarks.harness.machine import REPOSITORY
from benchmarks.harness.processes import in_processes
from benchmarks.harness.rows import Row, Rows

CODE = (
    "image_core/answer.py",
    "rvos/tracking",
    "rvos/metrics",
    "rvos/view",
    "rvos/watch",
    "rvos/reading/reader.py",
    "benchmarks/gain/baselines.py",
    "benchmarks/gain/clip.py",
    "benchmarks/gain/oracles.py",
    "benchmarks/gain/systems.py",
    "benchmarks/gain/work.py",
    "benchmarks/harness/scoring.py",
)
"""Files and folders of the code that rows depend on, besides the model and the generator."""

Key = tuple[int, bool, str]
"""(index of the video, whether it has its challenge, name of the system)."""


def code_sha256() -> str:
    """SHA-256 over the sources that rows depend on. Raises `FileNotFoundError` for a missing one."""
    digest = hashlib.sha256()
    for path in (file for name in CODE for file in _files(REPOSITORY / name)):
        digest.update(path.relative_to(REPOSITORY).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def key_of(row: Row) -> Key:
    """The key of the group of rows, one per expression, that a row belongs to."""
    return row["index"], row["challenge"], row["system"]


class Finished:
    """The rows that are on disk."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._wanted: dict[Key, int] = {}  # expressions of the video
        self._there: dict[Key, set[str]] = {}
        self._add(rows)

    def missing(self, job: Job) -> Job | None:
        """The job reduced to the systems whose rows are not complete; None if all are."""
        keys = {name: (job.index, job.challenge, name) for name in job.systems}
        systems = tuple(n for n, key in keys.items() if len(self._there.get(key, ())) < self._wanted.get(key, 1))
        return replace(job, systems=systems) if systems else None

    def new(self, rows: Iterable[Row]) -> list[Row]:
        """The rows of a job that are not on disk yet; they are marked as finished."""
        new = [row for row in rows if row["expression"] not in self._there.get(key_of(row), ())]
        self._add(new)
        return new

    def _add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._wanted[key_of(row)] = row["expressions"]
            self._there.setdefault(key_of(row), set()).add(row["expression"])


def run(work: Callable[[Job], list[Row]], jobs: Sequence[Job], rows: Rows, workers: int) -> list[Row]:
    """The rows of all jobs, those on disk and those computed now, by `workers` processes of one thread."""
    wanted = {(job.index, job.challenge, name) for job in jobs for name in job.systems}
    finished = Finished(rows.rows)
    ahead = [part for job in jobs if (part := finished.missing(job)) is not None]
    for made in in_processes(work, ahead, workers):
        rows.append(finished.new(made))
    return [row for row in rows.rows if key_of(row) in wanted]
