"""Which of the jobs are done already, by their rows on disk, and the doing of the others."""

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
"""What rows depend on besides the model and the generator: files, and folders with their files."""

Key = tuple[int, bool, str]
"""Index of the video, whether it has its challenge, name of the system."""


def code_sha256() -> str:
    """SHA-256 over the sources that rows depend on. Raises `FileNotFoundError` for one that is not there."""
    digest = hashlib.sha256()
    for path in (file for name in CODE for file in _files(REPOSITORY / name)):
        digest.update(path.relative_to(REPOSITORY).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def key_of(row: Row) -> Key:
    """What a row is one of several expressions of."""
    return row["index"], row["challenge"], row["system"]


class Finished:
    """Which rows are there."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._wanted: dict[Key, int] = {}  # expressions of the video
        self._there: dict[Key, set[str]] = {}
        self._add(rows)

    def missing(self, job: Job) -> Job | None:
        """The part of a job whose rows are not all there, None where they are."""
        keys = {name: (job.index, job.challenge, name) for name in job.systems}
        systems = tuple(n for n, key in keys.items() if len(self._there.get(key, ())) < self._wanted.get(key, 1))
        return replace(job, systems=systems) if systems else None

    def new(self, rows: Iterable[Row]) -> list[Row]:
        """Those of the rows of a job that a killed run had not left there; from now on they are."""
        new = [row for row in rows if row["expression"] not in self._there.get(key_of(row), ())]
        self._add(new)
        return new

    def _add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._wanted[key_of(row)] = row["expressions"]
            self._there.setdefault(key_of(row), set()).add(row["expression"])


def run(work: Callable[[Job], list[Row]], jobs: Sequence[Job], rows: Rows, workers: int) -> list[Row]:
    """The rows of all jobs, those that were on the disk and those made now, by `workers` processes of one thread."""
    wanted = {(job.index, job.challenge, name) for job in jobs for name in job.systems}
    finished = Finished(rows.rows)
    ahead = [part for job in jobs if (part := finished.missing(job)) is not None]
    for made in in_processes(work, ahead, workers):
        rows.append(finished.new(made))
    return [row for row in rows.rows if key_of(row) in wanted]
