"""Runs the jobs of a table in several processes. If one dies, the others go on."""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from image_core.errors import ConfigError, RvosError
from image_core.progress import Progress
from rvos.run.rows import ListProgress, Outcome, Unit, is_done, progress_share, run_unit
from rvos.segmenter import VideoSegmenter

_PROGRESS_INTERVAL_S = 0.2
_JOIN_TIMEOUT_S = 10

BuildSegmenter = Callable[[], VideoSegmenter]
"""Builds the segmenter of a process, in that process. It is pickled, so it must be a function of a module."""


@dataclass(frozen=True)
class _ModelLoaded:
    """The model is loaded."""


@dataclass(frozen=True)
class _Progress:
    """The share of the unit's video that is done, in [0, 1]."""

    share: float


@dataclass(frozen=True)
class _UnitDone:
    """The outcomes of all jobs of the unit were sent."""


@dataclass(frozen=True)
class _ModelFailed:
    """The model cannot be loaded, with the reason."""

    reason: str


def run_in_processes(
    units: Sequence[Unit], build: BuildSegmenter, count: int, progress: ListProgress
) -> Iterator[Outcome]:
    """Run units in `count` processes, each of which loads the model once; outcomes are returned as rows finish.

    If a process dies (killed, out of memory, a crash of native code), its rows are continued one by one; a row has
    failed if it is alone when its process dies. Raises `RvosError` for a model that cannot be loaded. All processes are
    ended when the iteration ends.
    """
    pool = _Pool(build, min(count, len(units)))
    try:
        yield from pool.run(units, progress)
    finally:
        pool.end()


class _Worker:
    """A process and its current unit."""

    def __init__(self, build: BuildSegmenter) -> None:
        context = multiprocessing.get_context("spawn")  # a process that has loaded torch must not be forked
        self.connection, child_connection = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_run_worker, args=(build, child_connection), daemon=True)
        self.process.start()
        child_connection.close()
        self.unit: Unit | None = None
        self.share = 0.0
        #: Rows of the unit whose outcome was received.
        self.done_rows: set[int] = set()

    @property
    def rows_done(self) -> float:
        """Number of rows of the unit that are done, with fractions."""
        return len(self.done_rows) + self.share * (
            0 if self.unit is None else len(self.unit.jobs) - len(self.done_rows)
        )

    def give(self, unit: Unit) -> None:
        """Send it a unit. Raises `OSError` if it has died."""
        self.connection.send(unit)
        self.unit, self.share, self.done_rows = unit, 0.0, set()


class _Pool:
    """The processes and the queue of units."""

    def __init__(self, build: BuildSegmenter, count: int) -> None:
        self._build = build
        self._workers = [_Worker(build) for _ in range(count)]
        self._waiting: deque[Unit] = deque()
        self._done = 0

    def run(self, units: Sequence[Unit], progress: ListProgress) -> Iterator[Outcome]:
        self._waiting.extend(units)
        # The others wait for the first, which may download weights, or find that the model cannot be loaded.
        self._give(self._workers[0])
        while self._waiting or any(worker.unit for worker in self._workers):
            ready = wait([worker.connection for worker in self._workers])
            for worker in [w for w in self._workers if w.connection in ready]:
                yield from self._receive(worker)
                progress(self._done + sum(w.rows_done for w in self._workers), self._sources())

    def _sources(self) -> str:
        return ", ".join(worker.unit.source for worker in self._workers if worker.unit is not None)

    def _receive(self, worker: _Worker) -> Iterator[Outcome]:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._replace_dead(worker)
            return
        if isinstance(message, _ModelFailed):
            raise ConfigError(message.reason)
        if isinstance(message, Outcome):
            worker.done_rows.add(message.row)
            yield message
        elif isinstance(message, _Progress):
            worker.share = message.share
        elif isinstance(message, _ModelLoaded):
            for other in self._workers:
                if other.unit is None:
                    self._give(other)
        elif isinstance(message, _UnitDone):
            self._done += len(worker.done_rows)
            worker.unit, worker.share, worker.done_rows = None, 0.0, set()
            self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """Send it the next unit, if there is one. If it has died, its closed connection is noticed next."""
        if self._waiting:
            with suppress(OSError):
                worker.give(self._waiting[0])
                self._waiting.popleft()

    def _replace_dead(self, worker: _Worker) -> Iterator[Outcome]:
        """Repeats the rows of a dead process one by one, or reports the failure; starts another if units are
        waiting."""
        worker.process.join()
        self._workers.remove(worker)
        unit, code = worker.unit, worker.process.exitcode or 0
        left = {} if unit is None else {row: job for row, job in unit.jobs.items() if row not in worker.done_rows}
        self._done += len(worker.done_rows)
        if len(left) > 1:
            self._waiting.extendleft(Unit({row: job}) for row, job in reversed(left.items()))
        for row, job in left.items() if len(left) == 1 else ():
            self._done += 1
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            yield Outcome(row, job, error=f"its process died ({how}): is there enough memory?")
        if self._waiting:
            self._workers.append(fresh := _Worker(self._build))
            self._give(fresh)

    def end(self) -> None:
        """End all processes. One that runs a unit notices the closed connection and stops as if interrupted; the others
        are killed at once."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            if worker.unit is not None:
                worker.process.join(_JOIN_TIMEOUT_S)
            worker.process.kill()
            worker.process.join()


def _run_worker(build: BuildSegmenter, parent: Connection) -> None:
    """The loop of a process: receives units and sends outcomes, until the parent is gone."""
    try:
        segmenter, loaded = build(), False
        while True:
            unit: Unit = parent.recv()
            if not loaded and not is_done(unit):
                segmenter.system.load()
                loaded = True
                parent.send(_ModelLoaded())
            for outcome in run_unit(unit, segmenter, _progress_sender(parent)):
                parent.send(outcome)
            parent.send(_UnitDone())
    except RvosError as error:
        parent.send(_ModelFailed(str(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return


def _progress_sender(parent: Connection) -> Progress:
    """Sends the progress to the parent every `_PROGRESS_INTERVAL_S`. If the parent is gone, the run is interrupted."""
    last_s = 0.0

    def send(frames: int, total: int | None) -> None:
        nonlocal last_s
        if time.monotonic() - last_s < _PROGRESS_INTERVAL_S:
            return
        last_s = time.monotonic()
        try:
            parent.send(_Progress(progress_share(frames, total)))
        except OSError as error:
            raise KeyboardInterrupt from error

    return send
