"""Threads that do work behind the one that makes it: bounded, honest about failure, stopped from both ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Queue
from types import TracebackType

_LOG = logging.getLogger(__name__)


class Worker:
    """Runs submitted tasks in a thread of its own, one after the other, or side by side in several.

    At most `capacity` tasks wait; `submit` blocks beyond that. A task's exception ends the work: the tasks behind it
    are dropped, and the exception is raised by the next `submit`, or on leaving the `with` block. Leaving it by another
    exception still does the tasks that wait, because they belong to what came before.
    """

    def __init__(self, name: str, capacity: int = 8, threads: int = 1) -> None:
        self._tasks: Queue[Callable[[], object] | None] = Queue(capacity)
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(threads)]
        self._counting = threading.Lock()
        self.busy_s = 0.0

    def __enter__(self) -> Worker:
        for thread in self._threads:
            thread.start()
        return self

    def submit(self, task: Callable[[], object]) -> None:
        """Queue `task`. Raises what an earlier task raised."""
        if self._failure is not None:
            raise self._failure
        self._tasks.put(task)

    def wait(self) -> None:
        """Until everything is done that was submitted. Raises what a task raised."""
        self._tasks.join()
        if self._failure is not None:
            raise self._failure

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        if self._failure is None or self._failure is error:
            return
        if error is None:
            raise self._failure
        _LOG.error("%s", self._failure)  # the caller is already told of what came first

    def _work(self) -> None:
        # After a failure the queue is still emptied: a producer must never wait for a thread that is gone.
        while (task := self._tasks.get()) is not None:
            if self._failure is None:
                self._do(task)
            self._tasks.task_done()

    def _do(self, task: Callable[[], object]) -> None:
        started = time.perf_counter()
        try:
            task()
        except BaseException as failure:  # handed over to the producer, whatever it is
            self._failure = self._failure or failure
        with self._counting:
            self.busy_s += time.perf_counter() - started
