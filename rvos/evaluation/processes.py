"""Independent tasks distributed over processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from image_core.progress import Progress, no_progress

Task = TypeVar("Task")
Done = TypeVar("Done")


def over_cores(
    call: Callable[[Task], Done],
    tasks: Sequence[Task],
    workers: int,
    progress: Progress = no_progress,
) -> Iterator[Done]:
    """`call` of every task, in order, distributed over processes if there is more than one worker."""
    if workers == 1 or len(tasks) < 2:
        yield from _counted(map(call, tasks), len(tasks), progress)
        return
    # Spawned: a process that has loaded torch must not be forked.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), context, _start, (call,)) as pool:
        yield from _counted(pool.map(_called, tasks), len(tasks), progress)


def _counted(results: Iterable[Done], total: int, progress: Progress) -> Iterator[Done]:
    for done, each in enumerate(results, 1):
        yield each
        progress(done, total)


_call: Callable[[Any], Any]
"""What a worker process was started for: sent once, not with every task."""


def _start(call: Callable[[Any], Any]) -> None:
    global _call
    _call = call


def _called(task: Any) -> Any:
    return _call(task)
