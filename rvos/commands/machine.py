"""What this process may use of the machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PROCESS_BYTES = 2 * 10**9
"""What a process of the largest packaged model takes at its peak, at 720p."""


def core_count() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def leave_one_thread_to_blas() -> None:
    """The products of the tracker are too small to be shared out: threads that wait for the next one only burn a
    core."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")


def share_cores(all_for_the_network: bool = False) -> None:
    """Decoding and writing run beside the network. Where it takes every core, each waits for the other, so it leaves
    one of them. all_for_the_network: for a model that takes a second a picture, beside which all else is little. Who
    sets OMP_NUM_THREADS has decided otherwise. It brings torch."""
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(max(1, core_count() - (0 if all_for_the_network else 1)))


def processes_for(units: int, cuda: bool) -> int:
    """How many processes a list of so many units keeps busy: one a core, as far as the free memory reaches; one where a
    GPU does the work."""
    return 1 if cuda else max(1, min(units, core_count(), _free_bytes() // _PROCESS_BYTES))


def take_share(processes: int) -> None:
    """Use the cores that are this process's own, of so many that work side by side. Who sets OMP_NUM_THREADS has
    decided otherwise. It brings torch."""
    import cv2
    import torch

    threads = max(1, core_count() // processes)
    cv2.setNumThreads(threads)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)


def _free_bytes() -> int:
    """Memory that can be had now; as much as anybody may want where nothing tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return sys.maxsize
    told = (line.split() for line in lines)
    return next((int(words[1]) * 1024 for words in told if words[0] == "MemAvailable:"), sys.maxsize)
