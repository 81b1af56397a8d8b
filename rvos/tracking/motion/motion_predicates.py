"""Measures motions on trajectories: the log-odds that a track moves as an expression says.

Motions are measured in short sides of the image, radians, or the logarithm of a size. The log-odds are the difference
between the measured value and a bound, divided by a unit that tells how sharp the bound is: they are 0 at the bound,
and large one or two units away from it. Bounds and units are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from image_core.language.motion import Motion
from rvos.tracking.motion.trajectory import ANGLE, BOTTOM, LEFT, RIGHT, SCENE, SEEN, SIZE, TIME, TOP, Trajectory, X, Y

MAX_LOG_ODDS = 4.0
"""Largest absolute log-odds of a motion: tracks may be wrong."""
UNKNOWN = 0.0
EPS = 1e-6
MIN_SAMPLES = 3
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_EDGE_MARGIN = 0.015
"""A box reaches the edge of the image if it lies within this share of its side."""
_MIN_GAP = 0.06
"""Share of the frames so far, at least two, for which a track must be out of view to count as entering or leaving."""


@dataclass(frozen=True)
class TrajectorySpan:
    """The samples of a trajectory, or of a span of it, on which the track was seen, with smoothed positions."""

    #: (N, 11) float64, the samples on which it was seen; columns as `trajectory.TIME`.
    seen: np.ndarray
    #: (N, 2) smoothed positions.
    positions: np.ndarray
    #: The first frame and the last one of the span, or of the scenes in which it was seen.
    begin: float
    end: float

    @property
    def is_short(self) -> bool:
        """Whether there are too few samples to measure anything."""
        return len(self.seen) < MIN_SAMPLES

    @property
    def net(self) -> np.ndarray:
        """(2,) from the first position to the last."""
        return self.positions[-1] - self.positions[0]

    @property
    def length(self) -> float:
        """The length of the path."""
        return float(np.hypot(*np.diff(self.positions, axis=0).T).sum())

    @property
    def extent(self) -> float:
        """The diagonal of the bounding box of all positions."""
        return float(np.hypot(*np.ptp(self.positions, axis=0)))

    @property
    def uncropped(self) -> np.ndarray:
        """The samples on which the edge of the image does not crop the object; all samples if these are too few."""
        inside = ~reaches_edge(self.seen)
        return self.seen[inside] if inside.sum() >= MIN_SAMPLES else self.seen

    @property
    def speed(self) -> float:
        """In short sides of the image per frame."""
        return self.length / max(1.0, float(self.seen[-1, TIME] - self.seen[0, TIME]))

    @property
    def size(self) -> float:
        """The median, in short sides."""
        return math.exp(float(np.median(self.seen[:, SIZE])))


def span_of(trajectory: Trajectory, begin: float = -math.inf, end: float = math.inf) -> TrajectorySpan:
    """The part of a trajectory between two frames, both included."""
    samples = trajectory.samples.astype(np.float64)
    within = samples[(samples[:, TIME] >= begin) & (samples[:, TIME] <= end)]
    seen = within[within[:, SEEN] > 0]
    if not len(seen):
        return TrajectorySpan(seen, seen[:, [X, Y]], 0.0, 0.0)
    later = within[within[:, SCENE] > seen[-1, TIME], SCENE]
    last = later[0] - 1 if len(later) else within[-1, TIME]
    return TrajectorySpan(seen, _smoothed(seen[:, [X, Y]]), max(begin, float(seen[0, SCENE])), float(last))


def _smoothed(positions: np.ndarray) -> np.ndarray:
    """The mean of three neighbours, twice, so that jitter is not measured as motion."""
    for _ in range(2):
        if len(positions) > 2:
            inner = (positions[:-2] + positions[1:-1] + positions[2:]) / 3
            positions = np.concatenate([positions[:1], inner, positions[-1:]])
    return positions


def reaches_edge(samples: np.ndarray) -> np.ndarray:
    """(N,) bool: whether the edge of the image may crop the object."""
    low = samples[:, [LEFT, TOP]].min(1) < _EDGE_MARGIN
    return low | (samples[:, [RIGHT, BOTTOM]].max(1) > 1 - _EDGE_MARGIN)


def above(value: float, bound: float, unit: float) -> float:
    """Log-odds that a value lies above a bound: one for each `unit`, at most `MAX_LOG_ODDS`."""
    return float(np.clip((value - bound) / unit, -MAX_LOG_ODDS, MAX_LOG_ODDS))


def goes(span: TrajectorySpan, direction: str) -> float:
    """Moves in a direction of the image plane, on a roughly straight path and without coming back."""
    along = float(span.net @ DIRECTIONS[direction])
    net = float(np.hypot(*span.net))
    far = above(along, 0.09, 0.04)
    straight = above(along / max(net, EPS), 0.68, 0.1)
    steady = above(along / max(span.length, EPS), 0.45, 0.12)
    return min(far, straight, steady)


def moves(span: TrajectorySpan) -> float:
    """Changes its position."""
    return above(span.extent, 0.05, 0.02)


def stops(span: TrajectorySpan) -> tuple[float, float]:
    """(log-odds, when): moved, and then rests until the end."""
    return _rests_from(span, span.positions, span.seen[:, TIME])


def starts(span: TrajectorySpan) -> tuple[float, float]:
    """(log-odds, when): rested from the beginning, and then moves."""
    value, when = _rests_from(span, span.positions[::-1], span.begin + span.end - span.seen[::-1, TIME])
    return value, span.begin + span.end - when


def _rests_from(span: TrajectorySpan, positions: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """(log-odds, when): divides a trajectory into motion and rest at the best time. The rest is at least a sixth of it.
    Of times that are about as good, the first is taken."""
    count = len(positions)
    cuts = np.arange(2, count - max(3, count // 6) + 1)
    if not len(cuts):
        return -MAX_LOG_ODDS, float(times[-1])
    extents, rests = _extents(positions)[cuts], _extents(positions[::-1])[::-1][cuts]
    speeds = np.hypot(*(positions[cuts] - positions[0]).T) / cuts
    slower = np.hypot(*(positions[-1] - positions[cuts]).T) / (count - 1 - cuts) / np.maximum(speeds, EPS)
    tests = (extents - 0.12) / 0.04, (0.04 - rests) / 0.012, (0.4 - slower) / 0.1
    values = np.clip(np.min(tests, axis=0), -MAX_LOG_ODDS, MAX_LOG_ODDS)
    first = int(np.argmax(values >= values.max() - 1))
    return float(values.max()), float(times[cuts[first]])


def _extents(positions: np.ndarray) -> np.ndarray:
    """(N,) the extent of a path up to each of its positions."""
    ranges = np.maximum.accumulate(positions) - np.minimum.accumulate(positions)
    return np.hypot(*ranges.T)


def speed_change(span: TrajectorySpan) -> float:
    """The logarithm of the ratio of its speeds, last third to first."""
    third = max(1, (len(span.positions) - 1) // 3)
    steps = np.hypot(*np.diff(span.positions, axis=0).T) / np.maximum(1, np.diff(span.seen[:, TIME]))
    return math.log((float(steps[-third:].mean()) + 1e-3) / (float(steps[:third].mean()) + 1e-3))


def rotation_range(span: TrajectorySpan) -> float:
    """Radians by which it has rotated in the image plane."""
    return float(np.ptp(span.uncropped[:, ANGLE]))


def turn_angle(span: TrajectorySpan) -> float:
    """Radians between its first and its last direction of motion, clockwise; 0 if it hardly moves."""
    third = max(1, len(span.positions) // 3)
    first, last = span.positions[third] - span.positions[0], span.positions[-1] - span.positions[-1 - third]
    if min(np.hypot(*first), np.hypot(*last)) < 0.04:
        return 0.0
    return math.atan2(first[0] * last[1] - first[1] * last[0], float(first @ last))


def spins(span: TrajectorySpan) -> float:
    """Rotates in one sense; a jittering mask rotates to and fro."""
    steps = np.abs(np.diff(span.uncropped[:, ANGLE]))
    return min(
        above(rotation_range(span), 1.3, 0.35), above(rotation_range(span) / max(float(steps.sum()), EPS), 0.42, 0.08)
    )


def turns(span: TrajectorySpan, direction: str) -> float:
    """Turns into another direction, or rotates."""
    if direction in DIRECTIONS:
        half = span.positions[len(span.positions) // 2 :]
        last = half[-1] - half[0]
        cosine = float(last @ DIRECTIONS[direction]) / max(float(np.hypot(*last)), EPS)
        return min(above(abs(turn_angle(span)), 0.6, 0.2), above(cosine, 0.5, 0.2))
    # If one object bends its path and another rotates on the spot, the second is meant.
    return max(spins(span), min(0.5, above(abs(turn_angle(span)), 1.0, 0.3)))


def circles(span: TrajectorySpan) -> float:
    """Goes round the centre of its own path, most of a full circle at least."""
    off = span.positions - (span.positions.max(0) + span.positions.min(0)) / 2
    radii = np.hypot(*off.T)
    angles = np.unwrap(np.arctan2(off[:, 1], off[:, 0]))
    around_centre = above(abs(float(angles[-1] - angles[0])), 4.2, 0.5)
    constant_radius = above(float(radii.min() / max(radii.max(), EPS)), 0.45, 0.1)
    return min(around_centre, constant_radius, above(span.length, 0.12, 0.04))


def sways(span: TrajectorySpan, direction: str) -> float:
    """Goes to and fro, at least twice."""
    axes = {"across": (0,), "along": (1,)}.get(direction, (0, 1))
    return max(above(_count_reversals(span.positions[:, axis], max(0.02, 0.1 * span.size)), 1.5, 0.4) for axis in axes)


def _count_reversals(values: np.ndarray, least: float) -> int:
    """How often a value turns back by more than `least`."""
    count, sign, extreme = 0, 0, values[0]
    for value in values:
        step = value - extreme
        if sign * step > 0:
            extreme = value
        elif abs(step) > least:
            count += sign != 0
            sign, extreme = (1 if step > 0 else -1), value
    return count


def grows(span: TrajectorySpan, sign: int) -> float:
    """Becomes larger (sign 1) or smaller (-1), without the effects of zoom and of the edge of the image."""
    sizes = _smoothed(span.uncropped[:, SIZE][:, None])[:, 0]
    change = sign * float(np.median(sizes[-3:]) - np.median(sizes[:3]))
    return above(change, 0.17, 0.06)


def enters(span: TrajectorySpan, direction: str) -> tuple[float, float]:
    """(log-odds, when): was outside the image and comes in, by the given side if there is one."""
    return _passes_edge(span, span.seen[0], span.seen[0, TIME] - span.begin, direction)


def leaves(span: TrajectorySpan, direction: str) -> tuple[float, float]:
    """(log-odds, when): was inside the image and goes out, by the given side if there is one."""
    value, when = _passes_edge(span, span.seen[-1], span.end - span.seen[-1, TIME], direction)
    if span.seen[-1, TIME] >= span.end:
        # Still seen at the end, but perhaps about to leave.
        value = 0.0 if reaches_edge(span.seen[-1:])[0] and not reaches_edge(span.seen[:1])[0] else value
    return value, when


def _passes_edge(span: TrajectorySpan, sample: np.ndarray, gap: float, direction: str) -> tuple[float, float]:
    """(log-odds, when). sample: the one nearest in time to when it was outside the image; gap: frames for which it was
    outside."""
    least = max(2.0, _MIN_GAP * (span.end - span.begin))
    out = above(gap, least / 2, least / 4)
    reach = max(0.08, 0.5 * span.size)
    sides = {
        "left": float(sample[LEFT]),
        "right": 1 - float(sample[RIGHT]),
        "up": float(sample[TOP]),
        "down": 1 - float(sample[BOTTOM]),
    }
    near = min(sides.values())
    value = min(out, above(reach - near, 0.0, reach / 2) + 1)
    if direction in sides:
        value = min(value, above(near + 0.05 - sides[direction], 0.0, 0.03))
    return value, float(sample[TIME])


def crosses(span: TrajectorySpan, direction: str) -> float:
    """Goes from one side of the image to the other."""
    first, last = span.seen[0], span.seen[-1]
    moved = np.array([(last[LEFT] + last[RIGHT] - first[LEFT] - first[RIGHT]) / 2, 0.0])
    moved[1] = (last[TOP] + last[BOTTOM] - first[TOP] - first[BOTTOM]) / 2
    if direction in DIRECTIONS:
        return min(above(float(moved @ DIRECTIONS[direction]), 0.4, 0.1), goes(span, direction))
    return min(above(float(np.abs(moved).max()), 0.4, 0.1), moves(span))


Measure = Callable[[TrajectorySpan, Motion], float]
SINGLE_TRACK_MEASURES: dict[str, Measure] = {
    "moves": lambda span, motion: moves(span),
    "still": lambda span, motion: -moves(span),
    "goes": lambda span, motion: goes(span, motion.direction),
    "slows": lambda span, motion: min(moves(span), above(-speed_change(span), 0.5, 0.2)),
    "speeds": lambda span, motion: min(moves(span), above(speed_change(span), 0.5, 0.2)),
    "spins": lambda span, motion: spins(span),
    "turns": lambda span, motion: turns(span, motion.direction),
    "circles": lambda span, motion: circles(span),
    "sways": lambda span, motion: sways(span, motion.direction),
    "grows": lambda span, motion: grows(span, 1),
    "shrinks": lambda span, motion: grows(span, -1),
    "crosses": lambda span, motion: crosses(span, motion.direction),
}
"""Measures of actions of one track that do not happen at a certain moment."""


def measure_motion(span: TrajectorySpan, motion: Motion) -> tuple[float, float]:
    """(log-odds, when) of a motion that does not involve another track."""
    match motion.action:
        case "stops":
            return stops(span)
        case "starts":
            return starts(span)
        case "enters":
            return enters(span, motion.direction)
        case "leaves":
            return leaves(span, motion.direction)
        case name:
            return SINGLE_TRACK_MEASURES[name](span, motion), _halfway_time(span, motion)


def _halfway_time(span: TrajectorySpan, motion: Motion) -> float:
    """The frame on which it has covered half of its path."""
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(span.positions, axis=0).T))])
    half = int(np.searchsorted(travelled, travelled[-1] / 2))
    return float(span.seen[min(half, len(span.seen) - 1), TIME])
