"""The rows of a gain benchmark on disk: appended as they are made, so that a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

from filelock import FileLock, Timeout
from video_work import Job, Row

from rvos.types import OutputError

REPOSITORY = Path(__file__).parent.parent
CODE = ("rvos/tracking/*.py", "rvos/metrics/*.py", "rvos/motion.py", "rvos/view.py", "rvos/postprocess.py",
        "rvos/session.py", "benchmarks/video_clip.py", "benchmarks/video_baselines.py", "benchmarks/video_oracles.py",
        "benchmarks/video_systems.py", "benchmarks/video_work.py")  # fmt: skip
"""What rows depend on besides the model and the generator."""


def code_sha256() -> str:
    """SHA-256 over the sources that rows depend on."""
    digest = hashlib.sha256()
    for path in sorted(found for pattern in CODE for found in REPOSITORY.glob(pattern)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


Key = tuple[int, bool, str]
"""Index of the video, whether it has its challenge, name of the system."""


class RowsFile:
    """`<folder>/<hash of the header>/<name>.jsonl`: the header, then a row a line. Another header is another file.

    Used by one run at a time: `with RowsFile(...) as file`. Raises `OutputError` where another has it.
    """

    def __init__(self, folder: Path, name: str, header: dict[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
        self.path = folder / digest[:12] / f"{name}.jsonl"
        self.rows: list[Row] = []
        self._header = header | {"sha256": digest}
        self._wanted: dict[Key, int] = {}
        self._there: dict[Key, set[str]] = {}
        self._lock = FileLock(self.path.with_suffix(".lock"), timeout=0)

    def __enter__(self) -> RowsFile:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise OutputError(f"{self.path}: another run is writing it; wait for it to end") from error
        if self.path.exists():
            whole = self.path.read_bytes()
            kept = whole[: whole.rfind(b"\n") + 1]
            os.truncate(self.path, len(kept))  # a kill may have torn the last line
            self.rows = [json.loads(line) for line in kept.splitlines()[1:]]
        if not self.path.exists() or not self.path.stat().st_size:
            self._write([self._header])
        self._enter(self.rows)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def missing(self, job: Job) -> Job | None:
        """The part of a job whose rows are not all there, None where they are."""
        keys = {name: (job.index, job.challenge, name) for name in job.systems}
        systems = tuple(n for n, key in keys.items() if len(self._there.get(key, ())) < self._wanted.get(key, 1))
        return replace(job, systems=systems) if systems else None

    def append(self, rows: Sequence[Row]) -> None:
        """The rows of a job, on the disk when this returns. Those that a kill had left there are not doubled."""
        new = [row for row in rows if row["expression"] not in self._there.get(key_of(row), ())]
        self._write(new)
        self.rows += new
        self._enter(new)

    def _enter(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._wanted[key_of(row)] = row["expressions"]
            self._there.setdefault(key_of(row), set()).add(row["expression"])

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
            file.flush()
            os.fsync(file.fileno())


def key_of(row: Row) -> Key:
    """What a row is one of several expressions of."""
    return row["index"], row["challenge"], row["system"]


def run(work: Callable[[Job], list[Row]], jobs: Sequence[Job], file: RowsFile, workers: int) -> list[Row]:
    """The rows of all jobs, those that were on the disk and those made now, by `workers` processes of one thread."""
    wanted = {(job.index, job.challenge, name) for job in jobs for name in job.systems}
    ahead = [part for job in jobs if (part := file.missing(job)) is not None]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # the processes read it when they start
    began = time.monotonic()
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent)
    try:
        for done, future in enumerate(as_completed([pool.submit(work, job) for job in ahead]), 1):
            file.append(future.result())
            hours = (time.monotonic() - began) / done * (len(ahead) - done) / 3600
            print(f"\r{done} of {len(ahead)} videos, {hours:.2f} h to go ", end="", file=sys.stderr, flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    return [row for row in file.rows if key_of(row) in wanted]


def _end_with_parent() -> None:
    """A killed run leaves no process behind: it would wait for work for ever."""
    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait, daemon=True).start()
