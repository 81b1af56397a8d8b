"""Background threads that run tasks from a bounded queue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Queue
from types import TracebackType

_LOG = logging.getLogger(__name__)


class Worker:
    """Runs submitted tasks in one thread, in order, or in several threads in parallel.

    At most `capacity` tasks wait; `submit` blocks beyond that. After an exception in a task the waiting tasks are
    dropped, and the exception is raised by the next `submit`, or when the `with` block ends. If the block itself
    raises, the waiting tasks are still run.
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
        """Block until all submitted tasks are done. Raises what a task raised."""
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
        _LOG.error("%s", self._failure)  # the caller gets the first exception

    def _work(self) -> None:
        # After a failure the queue is still emptied, so that `submit` does not block forever.
        while (task := self._tasks.get()) is not None:
            if self._failure is None:
                self._do(task)
            self._tasks.task_done()

    def _do(self, task: Callable[[], object]) -> None:
        started = time.perf_counter()
        try:
            task()
        except BaseException as failure:  # raised again in the caller's thread
            self._failure = self._failure or failure
        with self._counting:
            self.busy_s += time.perf_counter() - started
