"""The jobs of a table, shared out to processes; one that dies takes nothing along."""

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
from rvos.run.rows import ListProgress, Outcome, Unit, is_done, run_unit, share_of
from rvos.segmenter import VideoSegmenter

_TELL_EVERY_S = 0.2
_PATIENCE_S = 10

Build = Callable[[], VideoSegmenter]
"""Makes the segmenter of a process, in that process; it travels there, so it is a function of a module."""


@dataclass(frozen=True)
class _Ready:
    """The model is loaded."""


@dataclass(frozen=True)
class _Advanced:
    """So much of the unit's video is done, in [0, 1]."""

    share: float


@dataclass(frozen=True)
class _UnitDone:
    """Every job of the unit has its outcome."""


@dataclass(frozen=True)
class _Unusable:
    """The model cannot be had, and why."""

    reason: str


def run_in_processes(units: Sequence[Unit], build: Build, count: int, progress: ListProgress) -> Iterator[Outcome]:
    """Run units in `count` processes, each of which loads the model once; outcomes come as they are made.

    The rows of a process that dies (killed, out of memory, a crash of native code) are run again one by one, and go on
    from where they were; a row with which a process dies by itself has failed. Raises `RvosError` for a model that
    cannot be loaded. However it ends, no process stays.
    """
    pool = _Pool(build, min(count, len(units)))
    try:
        yield from pool.run(units, progress)
    finally:
        pool.end()


class _Worker:
    """A process and what it is at."""

    def __init__(self, build: Build) -> None:
        context = multiprocessing.get_context("spawn")  # a process that has loaded torch must not be forked
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_work, args=(build, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.unit: Unit | None = None
        self.share = 0.0
        #: Rows of the unit that have their outcome.
        self.told: set[int] = set()

    @property
    def rows_done(self) -> float:
        """Of the unit, parts of rows included."""
        return len(self.told) + self.share * (0 if self.unit is None else len(self.unit.jobs) - len(self.told))

    def give(self, unit: Unit) -> None:
        """Have it run a unit. Raises `OSError` where it has died."""
        self.connection.send(unit)
        self.unit, self.share, self.told = unit, 0.0, set()


class _Pool:
    """The processes and the units that wait for them."""

    def __init__(self, build: Build, count: int) -> None:
        self._build = build
        self._workers = [_Worker(build) for _ in range(count)]
        self._waiting: deque[Unit] = deque()
        self._done = 0

    def run(self, units: Sequence[Unit], progress: ListProgress) -> Iterator[Outcome]:
        self._waiting.extend(units)
        # The others wait for the first, which may bring weights, or tell that the model cannot be had.
        self._give(self._workers[0])
        while self._waiting or any(worker.unit for worker in self._workers):
            ready = wait([worker.connection for worker in self._workers])
            for worker in [w for w in self._workers if w.connection in ready]:
                yield from self._heard(worker)
                progress(self._done + sum(w.rows_done for w in self._workers), self._sources())

    def _sources(self) -> str:
        return ", ".join(worker.unit.source for worker in self._workers if worker.unit is not None)

    def _heard(self, worker: _Worker) -> Iterator[Outcome]:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._died(worker)
            return
        if isinstance(message, _Unusable):
            raise ConfigError(message.reason)
        if isinstance(message, Outcome):
            worker.told.add(message.row)
            yield message
        elif isinstance(message, _Advanced):
            worker.share = message.share
        elif isinstance(message, _Ready):
            for other in self._workers:
                if other.unit is None:
                    self._give(other)
        elif isinstance(message, _UnitDone):
            self._done += len(worker.told)
            worker.unit, worker.share, worker.told = None, 0.0, set()
            self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """Have it run what waits, if anything does. One that has died is heard of next, and another takes its place."""
        if self._waiting:
            with suppress(OSError):
                worker.give(self._waiting[0])
                self._waiting.popleft()

    def _died(self, worker: _Worker) -> Iterator[Outcome]:
        """What it was at is run again a row at a time, or has failed; another takes its place where there is work."""
        worker.process.join()
        self._workers.remove(worker)
        unit, code = worker.unit, worker.process.exitcode or 0
        left = {} if unit is None else {row: job for row, job in unit.jobs.items() if row not in worker.told}
        self._done += len(worker.told)
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
        """End every process. Those that are at something see that nobody listens, and leave it as an interrupted run is
        left; the others hold nothing, and need not even end loading a model."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            if worker.unit is not None:
                worker.process.join(_PATIENCE_S)
            worker.process.kill()
            worker.process.join()


def _work(build: Build, parent: Connection) -> None:
    """In a process: units come and outcomes go, until the parent is gone."""
    try:
        segmenter, loaded = build(), False
        while True:
            unit: Unit = parent.recv()
            if not loaded and not is_done(unit):
                segmenter.system.load()
                loaded = True
                parent.send(_Ready())
            for outcome in run_unit(unit, segmenter, _telling(parent)):
                parent.send(outcome)
            parent.send(_UnitDone())
    except RvosError as error:
        parent.send(_Unusable(str(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return


def _telling(parent: Connection) -> Progress:
    """Tells the parent how far a video is, now and then. Where it is gone, the run is interrupted."""
    last_s = 0.0

    def tell(frames: int, total: int | None) -> None:
        nonlocal last_s
        if time.monotonic() - last_s < _TELL_EVERY_S:
            return
        last_s = time.monotonic()
        try:
            parent.send(_Advanced(share_of(frames, total)))
        except OSError as error:
            raise KeyboardInterrupt from error

    return tell
