"""A pixel classifier that is trained while the video is watched: ridge regression on random Fourier features.

Rahimi and Recht, "Random Features for Large-Scale Kernel Machines", NeurIPS 2007, with directions that are orthogonal
in groups (Yu et al., "Orthogonal Random Features", NeurIPS 2016). It remembers only sums of a fixed size, so images
need not be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from rvos.tracking.carrying.appearance import CHANNELS

DIMENSION = 256
"""Number of random features; memory and time grow with its square (our choice)."""
BANDWIDTH = 2.0
SEED = 0
CHUNK = 512
"""Pixels that are scored at a time, so that their features stay in the processor's cache."""


@dataclass(frozen=True)
class Sums:
    """The sums over weighted examples that ridge regression needs. gram: (D, D) float32; target: (D,) float32."""

    gram: np.ndarray
    target: np.ndarray

    def __post_init__(self) -> None:
        if self.gram.shape != (len(self.target),) * 2:
            raise ValueError(f"Sums: expected (D, D) and (D,), got {self.gram.shape} and {self.target.shape}")

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(self.gram + other.gram, self.target + other.target)

    def faded(self, keep: float) -> Sums:
        """The sums with every weight multiplied by `keep` in [0, 1]."""
        return Sums(keep * self.gram, keep * self.target)

    def mixed(self, other: Sums, share: float) -> Sums:
        """`share` of the other, the rest of this."""
        return self.faded(1 - share).plus(other.faded(share))


def empty_sums() -> Sums:
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


def lift(features: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """(N, C) float32 pixel features -> (N, D) random Fourier features in [-1, 1], in `out` where that is given."""
    directions, phases = _projection()
    lifted = np.matmul(features, directions, out=out)
    lifted += phases
    return np.cos(lifted, out=lifted)


def lifted_strips(features: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """(N, C) float32 -> strips of `CHUNK` rows, as a slice and the features of these rows. Each strip is valid until
    the next one, which reuses its memory. The features of a whole image would be 26 MB, and writing and reading them
    takes longer than computing them."""
    strip = np.empty((CHUNK, DIMENSION), np.float32)
    for start in range(0, len(features), CHUNK):
        some = features[start : start + CHUNK]
        yield slice(start, start + len(some)), lift(some, strip[: len(some)])


def sums_of(lifted: np.ndarray, target: float, weights: np.ndarray) -> Sums:
    """The sums of examples (N, D) of one class with one target. weights: (N,), normalised to sum to one."""
    weights = weights / max(float(weights.sum()), 1e-6)
    return weighted_sums(lifted, np.full(len(lifted), target, np.float32), weights)


def weighted_sums(lifted: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Sums:
    """Examples (N, D) float32 with their targets (N,) in [-1, 1] and weights (N,) >= 0."""
    roots = np.sqrt(weights).astype(np.float32)
    rooted = lifted * roots[:, None]  # a matrix times its own transpose is symmetric: half the work
    return Sums(rooted.T @ rooted, rooted.T @ (roots * targets.astype(np.float32)))


def fit(sums: Sums, ridge: float) -> np.ndarray:
    """(D,) float32, the weights theta of the classifier; a pixel with the features phi has the score phi theta.

    ridge: as a share of the mean diagonal of the gram matrix.
    """
    gram = sums.gram.astype(np.float64)
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, sums.target.astype(np.float64)).astype(np.float32)
