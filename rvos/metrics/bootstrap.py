"""Confidence intervals of means: bootstrap over videos, since the scores of expressions about one video are correlated.

The rules are those of the synthetic benchmark: videos are drawn with replacement, within strata, 10,000 times; the
figure of a draw is the mean over all expressions of the drawn videos, so a video with more expressions weighs more, as
it does in the published tables (mean over expressions).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 10_000
LEVEL = 0.95
WORST_MEAN = -0.005
WORST_BOUND = -0.02
"""How much lower than the baseline's J&F "not worse" may be, as fractions: half a point in the mean, two at the lower
bound."""


@dataclass(frozen=True)
class Interval:
    """A mean over expressions and its 95 % percentile interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class FamilyVerdict:
    """One family's mean paired difference, its interval, and whether it is not worse.

    p_holm: share of the draws at or below `WORST_BOUND`, adjusted for the number of families (Holm 1979).
    """

    family: str
    difference: Interval
    p_holm: float
    not_worse: bool


def mean_interval(
    values: np.ndarray, videos: Sequence[Hashable], strata: Sequence[Hashable] | None = None, seed: int = 0
) -> Interval:
    """The mean of `values`, one per expression, (N,) float, and its interval; deterministic in `seed`.

    For a paired difference of two systems give the differences. videos: the video of each expression; strata: the
    family of that video, the same for all its expressions; each draw has as many videos of every family as there are.
    Raises `ValueError` if the lengths differ, for no values, and for a video in two strata.
    """
    return _interval(values, _draw_means(values, videos, strata, seed))


def no_family_worse(
    differences: np.ndarray, videos: Sequence[Hashable], families: Sequence[str], seed: int = 0
) -> tuple[FamilyVerdict, ...]:
    """Each family on its own, sorted by name: mean above `WORST_MEAN` and lower bound above `WORST_BOUND`.

    differences: ours minus the baseline's, one per expression, (N,) float fractions; families: of the expressions (a
    video may be in several). Whether the lower end of a 95 % interval lies above a value is a one-sided test at 2.5 %.
    The p-values of the families are adjusted by Holm's method, so that the verdicts hold together: a family is not
    worse if its adjusted p is at most 2.5 %, which implies that its own interval lies above the bound. Raises
    `ValueError` as `mean_interval` does.
    """
    _check(differences, videos, families)
    names = sorted(set(families))
    intervals, p_values = [], []
    for name in names:
        inside = [i for i, family in enumerate(families) if family == name]
        means = _draw_means(differences[inside], [videos[i] for i in inside], None, seed)
        intervals.append(_interval(differences[inside], means))
        p_values.append((int(np.count_nonzero(means <= WORST_BOUND)) + 1) / (DRAWS + 1))
    return tuple(
        FamilyVerdict(name, interval, p, interval.mean > WORST_MEAN and p <= (1 - LEVEL) / 2)
        for name, interval, p in zip(names, intervals, holm(p_values), strict=True)
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: the k-th smallest of m is multiplied by m - k + 1, never below the one before it."""
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = floor
    return adjusted


def _interval(values: np.ndarray, means: np.ndarray) -> Interval:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(np.mean(values)), float(low), float(high))


def _draw_means(
    values: np.ndarray, videos: Sequence[Hashable], strata: Sequence[Hashable] | None, seed: int
) -> np.ndarray:
    """(DRAWS,) float: the mean over the expressions of each draw."""
    random = np.random.default_rng(seed)
    total, count = np.zeros(DRAWS), np.zeros(DRAWS)
    for sums, counts in _by_stratum(values, videos, [None] * len(videos) if strata is None else strata):
        times_drawn = random.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=DRAWS)
        total += times_drawn @ sums
        count += times_drawn @ counts
    return total / count


def _by_stratum(
    values: np.ndarray, videos: Sequence[Hashable], strata: Sequence[Hashable]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Per stratum the sum of the values of each video and their number, each (videos,)."""
    _check(values, videos, strata)
    stratum_of: dict[Hashable, Hashable] = {}
    members: dict[Hashable, dict[Hashable, list[float]]] = {}
    for value, video, stratum in zip(values.tolist(), videos, strata, strict=True):
        if stratum_of.setdefault(video, stratum) != stratum:
            raise ValueError(
                f"bootstrap: expected one stratum for the video '{video}', got '{stratum_of[video]}' and '{stratum}'"
            )
        members.setdefault(stratum, {}).setdefault(video, []).append(value)
    for by_video in members.values():
        yield np.array([sum(each) for each in by_video.values()]), np.array([len(each) for each in by_video.values()])


def _check(values: np.ndarray, videos: Sequence[Hashable], groups: Sequence[Hashable]) -> None:
    if values.ndim != 1 or not 0 < len(values) == len(videos) == len(groups):
        got = f"values {values.shape}, {len(videos)} videos, {len(groups)} families"
        raise ValueError(f"bootstrap: expected one of each per expression, at least one, got {got}")
