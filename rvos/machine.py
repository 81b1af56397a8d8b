"""What this process may use of the machine."""

from __future__ import annotations

import os


def core_count() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_cores(all_for_the_network: bool = False) -> None:
    """Decoding and writing run beside the network: where it takes every core, each waits for the other, and on two
    cores a frame takes three times as long (measured). So it leaves one of them, unless a picture takes it a second
    (all_for_the_network): then what runs beside it is little, and a picture takes 0.98 s in place of 1.69 (measured).
    Who sets OMP_NUM_THREADS has decided otherwise. The products of the tracker are too small to be shared out: threads
    that wait for the next one only burn a core."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(max(1, core_count() - (0 if all_for_the_network else 1)))
