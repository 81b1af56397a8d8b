"""A classifier of pixels that is learned while watching: ridge regression on random Fourier features.

Rahimi and Recht, "Random Features for Large-Scale Kernel Machines", NeurIPS 2007. All it remembers of what it has seen
is two sums of a fixed size, so pictures can be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from rvos.tracking.appearance import CHANNELS

DIMENSION = 256
BANDWIDTH = 2.0
SEED = 20070


@dataclass(frozen=True)
class Sums:
    """What ridge regression needs of weighted examples. gram: (D, D) float32; target: (D,) float32."""

    gram: np.ndarray
    target: np.ndarray

    def __post_init__(self) -> None:
        if self.gram.shape != (len(self.target),) * 2:
            raise ValueError(f"Sums: came {self.gram.shape} and {self.target.shape}, wanted (D, D) and (D,)")

    def mixed(self, other: Sums, share: float) -> Sums:
        """`share` of the other, the rest of this."""
        return Sums((1 - share) * self.gram + share * other.gram, (1 - share) * self.target + share * other.target)


@cache
def _projection() -> tuple[np.ndarray, np.ndarray]:
    """(C, D) and (D,), the same on every machine."""
    random = np.random.default_rng(SEED)
    return (
        (BANDWIDTH * random.standard_normal((CHANNELS, DIMENSION))).astype(np.float32),
        (2 * np.pi * random.random(DIMENSION)).astype(np.float32),
    )


def lift(features: np.ndarray) -> np.ndarray:
    """(N, C) float32 pixel features -> (N, D) random Fourier features in [-1, 1]."""
    directions, phases = _projection()
    return np.cos(features @ directions + phases)


def sums_of(lifted: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Sums:
    """(N, D), (N,) in [-1, 1], (N,) -> their sums."""
    weighted = lifted * weights[:, None]
    return Sums(weighted.T @ lifted, weighted.T @ targets)


def fit(sums: Sums, ridge: float) -> np.ndarray:
    """(D,) float32, the weights theta of the classifier phi theta; ridge: as a share of the gram's mean diagonal."""
    gram = sums.gram.astype(np.float64)
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, sums.target.astype(np.float64)).astype(np.float32)
