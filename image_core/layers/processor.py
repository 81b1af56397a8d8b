"""What the processor can do, for ways to compute the same that only some processors gain by."""

from __future__ import annotations

import torch

CAPABILITY = torch.backends.cpu.get_cpu_capability()
"""Asked once, at the start: torch's compiler can then look through the question below."""


def has_avx512() -> bool:
    """Whether torch computes with AVX-512 here, the most that it tells of a processor (torch 2.12); others answer AVX2,
    DEFAULT, or what is not x86."""
    return CAPABILITY == "AVX512"
