"""The log-odds of each track that it moves as an expression says, measured on the trajectories of all tracks.

Comparisons ("fastest", "first", "chasing another") are measured on all tracks together. For a sequence ("left and then
right") several times are tried at which the first part may end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from image_core.language.motion import Motion
from rvos.tracking.motion.motion_predicates import (
    EPS,
    MAX_LOG_ODDS,
    UNKNOWN,
    TrajectorySpan,
    above,
    measure_motion,
    span_of,
)
from rvos.tracking.motion.trajectory import BOTTOM, LEFT, RIGHT, SEEN, TIME, TOP, Trajectory

MAX_LOG_ODDS_IN_TEXT = 1.0
"""Largest absolute log-odds of a motion whose words the image model is also asked."""
MAX_LOG_ODDS_TURN = 1.0
"""The same of a turn without a direction: a turn about an upright axis is no rotation in the image plane, and a
jittering mask seems to rotate."""
_SPLITS = 12
"""Number of times at which a sequence may be divided."""
_MIN_SHARED_SAMPLES = 5
"""Least number of samples that two trajectories must share to be compared frame by frame."""


def motion_log_odds(motions: Sequence[Motion], trajectories: Sequence[Trajectory]) -> np.ndarray:
    """(N,) log-odds that each of N tracks performs all of the motions; 0 if nothing can be measured."""
    steps: list[list[Motion]] = [[]]
    for motion in motions:
        if motion.then and steps[-1]:
            steps.append([])
        steps[-1].append(motion)
    if len(steps) < 2:
        return _joint_log_odds(steps[0], trajectories, -math.inf, math.inf)
    return _sequence_log_odds(steps, trajectories)


def _sequence_log_odds(steps: Sequence[Sequence[Motion]], trajectories: Sequence[Trajectory]) -> np.ndarray:
    """(N,) log-odds of a sequence, divided at the best time after its first step; the best is chosen for each track."""
    times = np.unique(np.concatenate([t.samples[:, TIME] for t in trajectories])) if trajectories else np.zeros(0)
    if len(times) < 4:
        return np.full(len(trajectories), UNKNOWN)
    splits = np.unique(np.quantile(times, np.linspace(0.1, 0.9, _SPLITS)).round())
    best = np.full(len(trajectories), -MAX_LOG_ODDS)
    for split in splits:
        first = _joint_log_odds(steps[0], trajectories, -math.inf, split)
        rest = _joint_log_odds(steps[1], trajectories, split, math.inf)
        best = np.maximum(best, np.minimum(first, rest))
    for later in steps[2:]:
        best = np.minimum(best, _joint_log_odds(later, trajectories, -math.inf, math.inf))
    return best


def _joint_log_odds(
    motions: Sequence[Motion], trajectories: Sequence[Trajectory], begin: float, end: float
) -> np.ndarray:
    values = [_single_log_odds(motion, trajectories, begin, end) for motion in motions]
    if not values:
        return np.full(len(trajectories), UNKNOWN)
    # The minimum: one motion that a track clearly does not perform rules the track out.
    return np.min(values, axis=0)


def _single_log_odds(motion: Motion, trajectories: Sequence[Trajectory], begin: float, end: float) -> np.ndarray:
    """(N,) log-odds of one motion between two frames."""
    begin, end = _time_span(motion, trajectories, begin, end)
    spans = [span_of(trajectory, begin, end) for trajectory in trajectories]
    measurable = np.array([not span.is_short for span in spans], dtype=bool)
    values, times = np.full(len(spans), UNKNOWN), np.full(len(spans), math.nan)
    for i in np.flatnonzero(measurable):
        if motion.action in _PAIR_ACTIONS:
            values[i] = _pair_log_odds(motion, int(i), trajectories, spans, begin, end)
            times[i] = spans[i].seen[0, TIME]
        else:
            values[i], times[i] = measure_motion(spans[i], motion)
    if motion.speed:
        values = np.where(measurable, np.minimum(values, _speed_log_odds(motion.speed, spans, measurable)), values)
    if motion.rank:
        values = np.where(
            measurable, np.minimum(values, _rank_log_odds(motion.rank, values, times, measurable)), values
        )
    values = -values if motion.negated else values
    largest = max_log_odds(motion)
    return np.clip(values, -largest, largest)


def max_log_odds(motion: Motion) -> float:
    """Largest absolute log-odds of a motion."""
    if motion.is_seen:
        return MAX_LOG_ODDS_IN_TEXT
    return MAX_LOG_ODDS_TURN if motion.action in ("spins", "turns") and not motion.direction else MAX_LOG_ODDS


def _time_span(motion: Motion, trajectories: Sequence[Trajectory], begin: float, end: float) -> tuple[float, float]:
    """The first or last third of the time, for "at the beginning" or "at the end"."""
    if not motion.when or not trajectories:
        return begin, end
    first = max(begin, min(float(t.samples[0, TIME]) for t in trajectories))
    last = min(end, max(float(t.samples[-1, TIME]) for t in trajectories))
    third = (last - first) / 3
    return (first, first + third) if motion.when == "beginning" else (last - third, last)


def _speed_log_odds(speed: str, spans: Sequence[TrajectorySpan], measurable: np.ndarray) -> np.ndarray:
    """(N,) log-odds that each track is as fast as the expression says, compared with the others."""
    speeds = np.array(
        [span.speed if is_measurable else 0.0 for span, is_measurable in zip(spans, measurable, strict=True)]
    )
    logs = np.log(speeds + 1e-3)
    values = np.zeros(len(spans))
    for i in np.flatnonzero(measurable):
        others = logs[measurable & (np.arange(len(spans)) != i)]
        if not len(others):
            values[i] = 1.0
            continue
        is_superlative = speed.endswith("est")
        sign = 1 if speed.startswith("fast") else -1
        rival = float((others * sign).max()) if is_superlative else float(np.median(others * sign))
        values[i] = above(sign * float(logs[i]) - rival, 0.0, 0.15)
    return values


def _rank_log_odds(rank: int, values: np.ndarray, times: np.ndarray, measurable: np.ndarray) -> np.ndarray:
    """(N,) log-odds that each track is the rank-th among those that perform the action; -1: the last."""
    performs = measurable & (values > -1)
    spread = max(1.0, 0.04 * float(np.ptp(times[performs]))) if performs.any() else 1.0
    result = np.zeros(len(values))
    for i in np.flatnonzero(performs):
        others = times[performs & (np.arange(len(values)) != i)]
        if rank < 0:
            result[i] = min([MAX_LOG_ODDS, *(above(times[i] - other, 0.0, spread) for other in others)])
            continue
        earlier = np.sort(others)
        # After the one ranked before it, and before the one ranked after it.
        before = earlier[rank - 2] if rank > 1 and len(earlier) >= rank - 1 else None
        after = earlier[rank - 1] if len(earlier) >= rank else None
        if rank > 1 and before is None:
            result[i] = -MAX_LOG_ODDS
            continue
        bounds = [MAX_LOG_ODDS]
        bounds += [] if before is None else [above(times[i] - before, 0.0, spread)]
        bounds += [] if after is None else [above(after - times[i], 0.0, spread)]
        result[i] = min(bounds)
    return result


# Motions relative to another track

_PAIR_ACTIONS = ("follows", "leads", "overtakes", "joins", "parts")


def _pair_log_odds(
    motion: Motion,
    i: int,
    trajectories: Sequence[Trajectory],
    spans: Sequence[TrajectorySpan],
    begin: float,
    end: float,
) -> float:
    """Log-odds that track i performs the action relative to any other track. If the landmark is not a track of this
    expression, only whether the track moves is measured."""
    if motion.is_seen:
        return measure_motion(spans[i], Motion("moves"))[0]
    pairs = [_shared_positions(trajectories[i], t, begin, end) for j, t in enumerate(trajectories) if j != i]
    values = [_PAIR_MEASURES[motion.action](*pair) for pair in pairs if len(pair[0]) >= _MIN_SHARED_SAMPLES]
    return max(values, default=UNKNOWN)


def _shared_positions(one: Trajectory, other: Trajectory, begin: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) twice: the positions of two tracks, in shares of the image's width and height, on frames that show
    both."""
    rows = [t.samples[(t.samples[:, SEEN] > 0)].astype(np.float64) for t in (one, other)]
    rows = [r[(r[:, TIME] >= begin) & (r[:, TIME] <= end)] for r in rows]
    times = np.intersect1d(rows[0][:, TIME], rows[1][:, TIME])
    mine, others = (_centres(r[np.isin(r[:, TIME], times)]) for r in rows)
    return mine, others


def _centres(rows: np.ndarray) -> np.ndarray:
    """(N, 2): the centres of the boxes of samples, times one."""
    return np.column_stack([rows[:, LEFT] + rows[:, RIGHT], rows[:, TOP] + rows[:, BOTTOM]]) / 2


def _follows(mine: np.ndarray, others: np.ndarray) -> float:
    """Goes where the other goes, behind it."""
    own_step, other_step = mine[-1] - mine[0], others[-1] - others[0]
    lengths = float(np.hypot(*own_step)), float(np.hypot(*other_step))
    if min(lengths) < 0.05:
        return -1.0
    alike = float(own_step @ other_step) / (lengths[0] * lengths[1])
    lead = np.median((others - mine) @ (other_step / lengths[1]))
    return min(above(alike, 0.6, 0.2), above(float(lead), 0.0, 0.05))


def _leads(mine: np.ndarray, others: np.ndarray) -> float:
    return _follows(others, mine)


def _overtakes(mine: np.ndarray, others: np.ndarray) -> float:
    """Is behind the other at first and ahead of it at last, along their common direction."""
    direction = (mine[-1] - mine[0]) + (others[-1] - others[0])
    length = float(np.hypot(*direction))
    if length < 0.05:
        return -1.0
    lead = (mine - others) @ (direction / length)
    return min(above(-float(np.median(lead[:2])), 0.0, 0.03), above(float(np.median(lead[-2:])), 0.0, 0.03))


def _joins(mine: np.ndarray, others: np.ndarray) -> float:
    """Comes nearer to the other, and moves itself to do so."""
    distances = np.hypot(*(mine - others).T)
    towards = (others[0] - mine[0]) / max(float(distances[0]), EPS)
    own = float((mine[-1] - mine[0]) @ towards)
    return min(above(float(distances[0] - distances[-1]), 0.08, 0.03), above(own, 0.04, 0.02))


def _parts(mine: np.ndarray, others: np.ndarray) -> float:
    return _joins(mine[::-1], others[::-1])


_PAIR_MEASURES = {"follows": _follows, "leads": _leads, "overtakes": _overtakes, "joins": _joins, "parts": _parts}
