"""What the processor can do: some faster ways to compute the same pay only on some processors."""

from __future__ import annotations

import torch

CAPABILITY = torch.backends.cpu.get_cpu_capability()
"""Read once at import, so that torch's compiler can trace `has_avx512`."""


def has_avx512() -> bool:
    """Whether torch computes with AVX-512 here, the highest level that it reports (torch 2.12); others answer AVX2,
    DEFAULT, or what is not x86."""
    return CAPABILITY == "AVX512"
