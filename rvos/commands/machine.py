"""The cores and the memory that this process may use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PROCESS_BYTES = 2 * 10**9
"""Peak memory of a process with the largest packaged model, at 720p."""


def core_count() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_blas_threads() -> None:
    """Limit BLAS to one thread. The matrix products of the tracker are too small for several threads, which would only
    wait actively."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")


def set_torch_threads(all_cores: bool = False) -> None:
    """Let torch use all cores but one, which is left for decoding and writing.

    all_cores: let torch use all, for a model that takes about a second per image, compared with which decoding and
    writing take little. Does nothing if OMP_NUM_THREADS is set. Imports torch.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(max(1, core_count() - (0 if all_cores else 1)))


def processes_for(units: int, cuda: bool) -> int:
    """The number of processes for a list with `units` units of work: at most one per core, as far as free memory
    allows; one on a GPU."""
    return 1 if cuda else max(1, min(units, core_count(), _free_bytes() // _PROCESS_BYTES))


def limit_threads(processes: int) -> None:
    """Limit the threads of OpenCV and torch to this process's share of the cores. processes: how many run at the same
    time. The threads of torch stay as they are if OMP_NUM_THREADS is set. Imports torch."""
    import cv2
    import torch

    threads = max(1, core_count() // processes)
    cv2.setNumThreads(threads)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)


def _free_bytes() -> int:
    """Available memory in bytes; `sys.maxsize` if the system does not report it."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return sys.maxsize
    fields = (line.split() for line in lines)
    return next((int(words[1]) * 1024 for words in fields if words[0] == "MemAvailable:"), sys.maxsize)
