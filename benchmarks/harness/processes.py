"""A pool of processes with one thread each."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

import cv2
import torch
from threadpoolctl import threadpool_limits

Job = TypeVar("Job")
Result = TypeVar("Result")


def one_thread() -> None:
    """Limit this process to one thread, so that its processor time is the time of the computation."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    threadpool_limits(1)


def in_processes(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """The results of all jobs in the order in which they finish. Progress is printed to stderr. work: a function of a
    module."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # the processes read it when they start
    began = time.monotonic()
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin)
    try:
        for done, future in enumerate(as_completed([pool.submit(work, job) for job in jobs]), 1):
            yield future.result()
            hours = (time.monotonic() - began) / done * (len(jobs) - done) / 3600
            print(f"\r{done} of {len(jobs)}, {hours:.2f} h to go ", end="", file=sys.stderr, flush=True)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Limit the process to one thread, and end it with its parent: it would wait for work for ever."""
    one_thread()
    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait, daemon=True).start()
