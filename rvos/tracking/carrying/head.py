"""A classifier of pixels that is learned while watching: ridge regression on random Fourier features.

Rahimi and Recht, "Random Features for Large-Scale Kernel Machines", NeurIPS 2007, with directions that are orthogonal
in groups (Yu et al., "Orthogonal Random Features", NeurIPS 2016). All it remembers of what it has seen are sums of a
fixed size, so pictures can be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from rvos.tracking.carrying.appearance import CHANNELS

DIMENSION = 256
"""Random features; memory and time grow with its square (a reading)."""
BANDWIDTH = 2.0
SEED = 0
CHUNK = 512
"""Pixels that are scored at a time, so that their lifted features stay in the processor's cache."""


@dataclass(frozen=True)
class Sums:
    """What ridge regression needs of weighted examples. gram: (D, D) float32; target: (D,) float32."""

    gram: np.ndarray
    target: np.ndarray

    def __post_init__(self) -> None:
        if self.gram.shape != (len(self.target),) * 2:
            raise ValueError(f"Sums: expected (D, D) and (D,), got {self.gram.shape} and {self.target.shape}")

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(self.gram + other.gram, self.target + other.target)

    def faded(self, keep: float) -> Sums:
        """What is left of them: `keep` in [0, 1] of every weight."""
        return Sums(keep * self.gram, keep * self.target)

    def mixed(self, other: Sums, share: float) -> Sums:
        """`share` of the other, the rest of this."""
        return self.faded(1 - share).plus(other.faded(share))


def no_sums() -> Sums:
    """Those of no examples."""
    return Sums(np.zeros((DIMENSION, DIMENSION), np.float32), np.zeros(DIMENSION, np.float32))


@cache
def _projection() -> tuple[np.ndarray, np.ndarray]:
    """(C, D) and (D,), the same in every run."""
    random = np.random.default_rng(SEED)
    groups = []
    for _ in range(-(-DIMENSION // CHANNELS)):
        turned, _ = np.linalg.qr(random.standard_normal((CHANNELS, CHANNELS)))
        groups.append(turned * np.sqrt(random.chisquare(CHANNELS, CHANNELS)))
    directions = BANDWIDTH * np.concatenate(groups, axis=1)[:, :DIMENSION]
    return directions.astype(np.float32), (2 * np.pi * random.random(DIMENSION)).astype(np.float32)


def lift(features: np.ndarray) -> np.ndarray:
    """(N, C) float32 pixel features -> (N, D) random Fourier features in [-1, 1]."""
    directions, phases = _projection()
    lifted = features @ directions
    lifted += phases
    return np.cos(lifted, out=lifted)


def lift_all(features: np.ndarray) -> np.ndarray:
    """(h, w, C) float32 -> (h w, D), row by row."""
    flat = features.reshape(-1, features.shape[-1])
    lifted = np.empty((len(flat), DIMENSION), np.float32)
    for start in range(0, len(flat), CHUNK):
        lifted[start : start + CHUNK] = lift(flat[start : start + CHUNK])
    return lifted


def sums_of(lifted: np.ndarray, target: float, weights: np.ndarray) -> Sums:
    """Examples (N, D) of one class with one target; weights (N,) are made to sum to one."""
    weights = weights / max(float(weights.sum()), 1e-6)
    return weighted_sums(lifted, np.full(len(lifted), target, np.float32), weights)


def weighted_sums(lifted: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Sums:
    """Examples (N, D) float32 with their targets (N,) in [-1, 1] and weights (N,) >= 0."""
    roots = np.sqrt(weights).astype(np.float32)
    rooted = lifted * roots[:, None]  # a matrix times itself: half of the product is the other half
    return Sums(rooted.T @ rooted, rooted.T @ (roots * targets.astype(np.float32)))


def fit(sums: Sums, ridge: float) -> np.ndarray:
    """(D,) float32, the weights theta of the classifier phi theta.

    ridge: as a share of the mean diagonal of the gram matrix.
    """
    gram = sums.gram.astype(np.float64)
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, sums.target.astype(np.float64)).astype(np.float32)
