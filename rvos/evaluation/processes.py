"""Distributes independent tasks over processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from image_core.progress import Progress, no_progress

Task = TypeVar("Task")
Result = TypeVar("Result")


def parallel_map(
    call: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    progress: Progress = no_progress,
) -> Iterator[Result]:
    """Yield `call(task)` for every task, in order, computed in several processes if there is more than one worker."""
    if workers == 1 or len(tasks) < 2:
        yield from _with_progress(map(call, tasks), len(tasks), progress)
        return
    # Spawned: a process that has loaded torch must not be forked.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), context, _initialise, (call,)) as pool:
        yield from _with_progress(pool.map(_run_task, tasks), len(tasks), progress)


def _with_progress(results: Iterable[Result], total: int, progress: Progress) -> Iterator[Result]:
    for done, result in enumerate(results, 1):
        yield result
        progress(done, total)


_call: Callable[[Any], Any]
"""The function of a worker process: sent once, when it starts, not with every task."""


def _initialise(call: Callable[[Any], Any]) -> None:
    global _call
    _call = call


def _run_task(task: Any) -> Any:
    return _call(task)
