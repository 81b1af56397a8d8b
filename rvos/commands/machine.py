"""What this process may use of the machine."""

from __future__ import annotations

import os


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
