"""Which tracks move as an expression says: log-odds of each, measured on the trajectories of all.

Words that compare ("fastest", "first", "chasing another") are measured on all tracks together. For a sequence ("left
and then right") several times are tried at which the first part may end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from image_core.language.motion import Motion
from rvos.tracking.motion.motion_predicates import SURE, TINY, UNKNOWN, TrajectorySpan, above, measure_motion, span_of
from rvos.tracking.motion.trajectory import BOTTOM, LEFT, RIGHT, SEEN, TIME, TOP, Trajectory

SEEN_ALREADY = 1.0
"""Largest absolute log-odds of a motion whose words are also part of the question to the image model."""
IN_DEPTH = 1.0
"""The same for a turn without a direction: a turn about an upright axis is no rotation in the picture, and a jittering
mask seems to rotate."""
_SPLITS = 12
"""Times at which a sequence is divided."""
_SHARED = 5
"""Least number of samples that two trajectories must share to be compared frame by frame."""


def evidence(motions: Sequence[Motion], trajectories: Sequence[Trajectory]) -> np.ndarray:
    """(N,) log-odds that each of N tracks does all that the motions say, 0 where nothing can be measured."""
    steps: list[list[Motion]] = [[]]
    for motion in motions:
        if motion.then and steps[-1]:
            steps.append([])
        steps[-1].append(motion)
    if len(steps) < 2:
        return _all_of(steps[0], trajectories, -math.inf, math.inf)
    return _in_order(steps, trajectories)


def _in_order(steps: Sequence[Sequence[Motion]], trajectories: Sequence[Trajectory]) -> np.ndarray:
    """(N,) the best of all times to divide the first step from the rest, for each track by itself."""
    times = np.unique(np.concatenate([t.samples[:, TIME] for t in trajectories])) if trajectories else np.zeros(0)
    if len(times) < 4:
        return np.full(len(trajectories), UNKNOWN)
    cuts = np.unique(np.quantile(times, np.linspace(0.1, 0.9, _SPLITS)).round())
    best = np.full(len(trajectories), -SURE)
    for cut in cuts:
        first = _all_of(steps[0], trajectories, -math.inf, cut)
        rest = _all_of(steps[1], trajectories, cut, math.inf)
        best = np.maximum(best, np.minimum(first, rest))
    for later in steps[2:]:
        best = np.minimum(best, _all_of(later, trajectories, -math.inf, math.inf))
    return best


def _all_of(motions: Sequence[Motion], trajectories: Sequence[Trajectory], begin: float, end: float) -> np.ndarray:
    values = [_of_one(motion, trajectories, begin, end) for motion in motions]
    if not values:
        return np.full(len(trajectories), UNKNOWN)
    # The minimum decides: one motion that is clearly not done rules a track out.
    return np.min(values, axis=0)


def _of_one(motion: Motion, trajectories: Sequence[Trajectory], begin: float, end: float) -> np.ndarray:
    """(N,) log-odds of one motion in a span of time."""
    begin, end = _span(motion, trajectories, begin, end)
    ways = [span_of(trajectory, begin, end) for trajectory in trajectories]
    told = np.array([not way.is_short for way in ways], dtype=bool)
    values, times = np.full(len(ways), UNKNOWN), np.full(len(ways), math.nan)
    for i in np.flatnonzero(told):
        if motion.deed in _BETWEEN:
            values[i] = _to_others(motion, int(i), trajectories, ways, begin, end)
            times[i] = ways[i].seen[0, TIME]
        else:
            values[i], times[i] = measure_motion(ways[i], motion)
    if motion.speed:
        values = np.where(told, np.minimum(values, _by_speed(motion.speed, ways, told)), values)
    if motion.rank:
        values = np.where(told, np.minimum(values, _by_order(motion.rank, values, times, told)), values)
    values = -values if motion.negated else values
    most = bound(motion)
    return np.clip(values, -most, most)


def bound(motion: Motion) -> float:
    """Largest absolute log-odds of a motion."""
    if motion.is_seen:
        return SEEN_ALREADY
    return IN_DEPTH if motion.deed in ("spins", "turns") and not motion.direction else SURE


def _span(motion: Motion, trajectories: Sequence[Trajectory], begin: float, end: float) -> tuple[float, float]:
    """The first or last third of the time, for "at the beginning" or "at the end"."""
    if not motion.when or not trajectories:
        return begin, end
    first = max(begin, min(float(t.samples[0, TIME]) for t in trajectories))
    last = min(end, max(float(t.samples[-1, TIME]) for t in trajectories))
    third = (last - first) / 3
    return (first, first + third) if motion.when == "beginning" else (last - third, last)


def _by_speed(speed: str, ways: Sequence[TrajectorySpan], told: np.ndarray) -> np.ndarray:
    """(N,) log-odds that each is as fast as the words say, compared with the others."""
    speeds = np.array([way.speed if is_told else 0.0 for way, is_told in zip(ways, told, strict=True)])
    logs = np.log(speeds + 1e-3)
    values = np.zeros(len(ways))
    for i in np.flatnonzero(told):
        others = logs[told & (np.arange(len(ways)) != i)]
        if not len(others):
            values[i] = 1.0
            continue
        most = speed.endswith("est")
        sign = 1 if speed.startswith("fast") else -1
        rival = float((others * sign).max()) if most else float(np.median(others * sign))
        values[i] = above(sign * float(logs[i]) - rival, 0.0, 0.15)
    return values


def _by_order(rank: int, values: np.ndarray, times: np.ndarray, told: np.ndarray) -> np.ndarray:
    """(N,) log-odds that each is the rank-th to do it among those that do it; -1: the last."""
    does = told & (values > -1)
    spread = max(1.0, 0.04 * float(np.ptp(times[does]))) if does.any() else 1.0
    result = np.zeros(len(values))
    for i in np.flatnonzero(does):
        others = times[does & (np.arange(len(values)) != i)]
        if rank < 0:
            result[i] = min([SURE, *(above(times[i] - other, 0.0, spread) for other in others)])
            continue
        earlier = np.sort(others)
        # After the one ranked before it, and before the one ranked after it.
        before = earlier[rank - 2] if rank > 1 and len(earlier) >= rank - 1 else None
        after = earlier[rank - 1] if len(earlier) >= rank else None
        if rank > 1 and before is None:
            result[i] = -SURE
            continue
        bounds = [SURE]
        bounds += [] if before is None else [above(times[i] - before, 0.0, spread)]
        bounds += [] if after is None else [above(after - times[i], 0.0, spread)]
        result[i] = min(bounds)
    return result


# Motions relative to another track

_BETWEEN = ("follows", "leads", "overtakes", "joins", "parts")


def _to_others(
    motion: Motion, i: int, trajectories: Sequence[Trajectory], ways: Sequence[TrajectorySpan], begin: float, end: float
) -> float:
    """Log-odds that track i does it relative to any other track. If the landmark is not a track of this expression, it
    is only measured that the track moves."""
    if motion.is_seen:
        return measure_motion(ways[i], Motion("moves"))[0]
    pairs = [_shared(trajectories[i], t, begin, end) for j, t in enumerate(trajectories) if j != i]
    values = [_PAIRED[motion.deed](*pair) for pair in pairs if len(pair[0]) >= _SHARED]
    return max(values, default=UNKNOWN)


def _shared(one: Trajectory, other: Trajectory, begin: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) twice: the positions of two tracks, in shares of the picture's width and height, on frames that show
    both."""
    rows = [t.samples[(t.samples[:, SEEN] > 0)].astype(np.float64) for t in (one, other)]
    rows = [r[(r[:, TIME] >= begin) & (r[:, TIME] <= end)] for r in rows]
    times = np.intersect1d(rows[0][:, TIME], rows[1][:, TIME])
    mine, others = (_centres(r[np.isin(r[:, TIME], times)]) for r in rows)
    return mine, others


def _centres(rows: np.ndarray) -> np.ndarray:
    return np.column_stack([rows[:, LEFT] + rows[:, RIGHT], rows[:, TOP] + rows[:, BOTTOM]]) / 2


def _follows(mine: np.ndarray, others: np.ndarray) -> float:
    """Goes where the other goes, behind it."""
    my_way, its_way = mine[-1] - mine[0], others[-1] - others[0]
    lengths = float(np.hypot(*my_way)), float(np.hypot(*its_way))
    if min(lengths) < 0.05:
        return -1.0
    alike = float(my_way @ its_way) / (lengths[0] * lengths[1])
    ahead = np.median((others - mine) @ (its_way / lengths[1]))
    return min(above(alike, 0.6, 0.2), above(float(ahead), 0.0, 0.05))


def _leads(mine: np.ndarray, others: np.ndarray) -> float:
    return _follows(others, mine)


def _overtakes(mine: np.ndarray, others: np.ndarray) -> float:
    """Is behind the other at first and ahead of it at last, along their common direction."""
    way = (mine[-1] - mine[0]) + (others[-1] - others[0])
    length = float(np.hypot(*way))
    if length < 0.05:
        return -1.0
    lead = (mine - others) @ (way / length)
    return min(above(-float(np.median(lead[:2])), 0.0, 0.03), above(float(np.median(lead[-2:])), 0.0, 0.03))


def _joins(mine: np.ndarray, others: np.ndarray) -> float:
    """Comes nearer to the other, and moves itself to do so."""
    apart = np.hypot(*(mine - others).T)
    towards = (others[0] - mine[0]) / max(float(apart[0]), TINY)
    own = float((mine[-1] - mine[0]) @ towards)
    return min(above(float(apart[0] - apart[-1]), 0.08, 0.03), above(own, 0.04, 0.02))


def _parts(mine: np.ndarray, others: np.ndarray) -> float:
    return _joins(mine[::-1], others[::-1])


_PAIRED = {"follows": _follows, "leads": _leads, "overtakes": _overtakes, "joins": _joins, "parts": _parts}
