"""Measures motions on the trajectories of tracks: for each track the log-odds that it moves as the words say.

Motions are measured in short sides of the picture, radians, or the logarithm of a size. The log-odds are the difference
between the measured value and a bound, in units that tell how sharp the bound is: 0 at the bound, and clear a unit or
two away from it. Bounds and units are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from image_core.language.motion import Motion
from rvos.tracking.motion.trajectory import ANGLE, BOTTOM, LEFT, RIGHT, SCENE, SEEN, SIZE, TIME, TOP, Trajectory, X, Y

SURE = 4.0
"""Largest absolute log-odds of a motion: tracks may be wrong."""
UNKNOWN = 0.0
TINY = 1e-6
LEAST_SAMPLES = 3
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_EDGE = 0.015
"""A box reaches the picture's edge within this share of the picture."""
_GAP = 0.06
"""Share of the frames so far, at least two, for which a track must be out of view to count as having come or gone."""


@dataclass(frozen=True)
class TrajectorySpan:
    """The samples of a trajectory, or of a span of it, on which the track was seen, with smoothed positions."""

    #: (N, 11) float64, the samples on which it was seen; columns as `trajectory.TIME`.
    seen: np.ndarray
    #: (N, 2) smoothed positions.
    places: np.ndarray
    #: The first frame and the last one of the span, or of the scenes in which it was seen.
    begin: float
    end: float

    @property
    def is_short(self) -> bool:
        """There are too few samples to measure anything."""
        return len(self.seen) < LEAST_SAMPLES

    @property
    def net(self) -> np.ndarray:
        """(2,) from the first position to the last."""
        return self.places[-1] - self.places[0]

    @property
    def length(self) -> float:
        """The length of the path."""
        return float(np.hypot(*np.diff(self.places, axis=0).T).sum())

    @property
    def extent(self) -> float:
        """The diagonal of the bounding box of all positions."""
        return float(np.hypot(*np.ptp(self.places, axis=0)))

    @property
    def whole(self) -> np.ndarray:
        """The samples on which the picture's edge cuts nothing off; all samples if these are too few."""
        inside = ~reaches_edge(self.seen)
        return self.seen[inside] if inside.sum() >= LEAST_SAMPLES else self.seen

    @property
    def speed(self) -> float:
        """Short sides of the picture a frame."""
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


def _smoothed(places: np.ndarray) -> np.ndarray:
    """The mean of three neighbours, twice, so that jitter is not measured as motion."""
    for _ in range(2):
        if len(places) > 2:
            inner = (places[:-2] + places[1:-1] + places[2:]) / 3
            places = np.concatenate([places[:1], inner, places[-1:]])
    return places


def reaches_edge(samples: np.ndarray) -> np.ndarray:
    """(N,) bool: whether the picture's edge may cut something off."""
    low = samples[:, [LEFT, TOP]].min(1) < _EDGE
    return low | (samples[:, [RIGHT, BOTTOM]].max(1) > 1 - _EDGE)


def above(value: float, bound: float, unit: float) -> float:
    """Log-odds that a value lies above a bound: one for each `unit`, at most `SURE`."""
    return float(np.clip((value - bound) / unit, -SURE, SURE))


def goes(way: TrajectorySpan, direction: str) -> float:
    """Moves in a direction of the picture, by and large straight and without coming back."""
    along = float(way.net @ DIRECTIONS[direction])
    net = float(np.hypot(*way.net))
    far = above(along, 0.09, 0.04)
    straight = above(along / max(net, TINY), 0.68, 0.1)
    steady = above(along / max(way.length, TINY), 0.45, 0.12)
    return min(far, straight, steady)


def moves(way: TrajectorySpan) -> float:
    """Changes its position."""
    return above(way.extent, 0.05, 0.02)


def stops(way: TrajectorySpan) -> tuple[float, float]:
    """(log-odds, when): moved, and then rests until the end."""
    return _rests_from(way, way.places, way.seen[:, TIME])


def starts(way: TrajectorySpan) -> tuple[float, float]:
    """(log-odds, when): rested from the beginning, and then moves."""
    value, when = _rests_from(way, way.places[::-1], way.begin + way.end - way.seen[::-1, TIME])
    return value, way.begin + way.end - when


def _rests_from(way: TrajectorySpan, places: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """(log-odds, when): divides a trajectory into motion and rest at the best time. The rest is at least a sixth of it.
    Of times that are about as good, the first is taken."""
    count = len(places)
    cuts = np.arange(2, count - max(3, count // 6) + 1)
    if not len(cuts):
        return -SURE, float(times[-1])
    extents, rests = _extents(places)[cuts], _extents(places[::-1])[::-1][cuts]
    speeds = np.hypot(*(places[cuts] - places[0]).T) / cuts
    slower = np.hypot(*(places[-1] - places[cuts]).T) / (count - 1 - cuts) / np.maximum(speeds, TINY)
    tests = (extents - 0.12) / 0.04, (0.04 - rests) / 0.012, (0.4 - slower) / 0.1
    values = np.clip(np.min(tests, axis=0), -SURE, SURE)
    begun = int(np.argmax(values >= values.max() - 1))
    return float(values.max()), float(times[cuts[begun]])


def _extents(places: np.ndarray) -> np.ndarray:
    """(N,) the extent of a path up to each of its positions."""
    spans = np.maximum.accumulate(places) - np.minimum.accumulate(places)
    return np.hypot(*spans.T)


def paces(way: TrajectorySpan) -> float:
    """The logarithm of the ratio of its speeds, last third to first."""
    third = max(1, (len(way.places) - 1) // 3)
    steps = np.hypot(*np.diff(way.places, axis=0).T) / np.maximum(1, np.diff(way.seen[:, TIME]))
    return math.log((float(steps[-third:].mean()) + 1e-3) / (float(steps[:third].mean()) + 1e-3))


def turned(way: TrajectorySpan) -> float:
    """Radians by which it has rotated in the image plane."""
    return float(np.ptp(way.whole[:, ANGLE]))


def bent(way: TrajectorySpan) -> float:
    """Radians between its first and its last direction of motion, clockwise; 0 if it hardly moves."""
    third = max(1, len(way.places) // 3)
    first, last = way.places[third] - way.places[0], way.places[-1] - way.places[-1 - third]
    if min(np.hypot(*first), np.hypot(*last)) < 0.04:
        return 0.0
    return math.atan2(first[0] * last[1] - first[1] * last[0], float(first @ last))


def spins(way: TrajectorySpan) -> float:
    """Rotates in one sense; jitter rotates to and fro."""
    steps = np.abs(np.diff(way.whole[:, ANGLE]))
    return min(above(turned(way), 1.3, 0.35), above(turned(way) / max(float(steps.sum()), TINY), 0.42, 0.08))


def turns(way: TrajectorySpan, direction: str) -> float:
    """Turns into another direction, or rotates."""
    if direction in DIRECTIONS:
        half = way.places[len(way.places) // 2 :]
        last = half[-1] - half[0]
        there = float(last @ DIRECTIONS[direction]) / max(float(np.hypot(*last)), TINY)
        return min(above(abs(bent(way)), 0.6, 0.2), above(there, 0.5, 0.2))
    # If one object bends its path and another rotates on the spot, the second is meant.
    return max(spins(way), min(0.5, above(abs(bent(way)), 1.0, 0.3)))


def circles(way: TrajectorySpan) -> float:
    """Goes round the centre of its own path, most of a full circle at least."""
    off = way.places - (way.places.max(0) + way.places.min(0)) / 2
    radii = np.hypot(*off.T)
    angles = np.unwrap(np.arctan2(off[:, 1], off[:, 0]))
    round_it = above(abs(float(angles[-1] - angles[0])), 4.2, 0.5)
    even = above(float(radii.min() / max(radii.max(), TINY)), 0.45, 0.1)
    return min(round_it, even, above(way.length, 0.12, 0.04))


def sways(way: TrajectorySpan, direction: str) -> float:
    """Goes to and fro, at least twice."""
    axes = {"across": (0,), "along": (1,)}.get(direction, (0, 1))
    return max(above(_returns(way.places[:, axis], max(0.02, 0.1 * way.size)), 1.5, 0.4) for axis in axes)


def _returns(values: np.ndarray, least: float) -> int:
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


def grows(way: TrajectorySpan, sign: int) -> float:
    """Becomes larger (sign 1) or smaller (-1), without the effects of zoom and of the picture's edge."""
    sizes = _smoothed(way.whole[:, SIZE][:, None])[:, 0]
    change = sign * float(np.median(sizes[-3:]) - np.median(sizes[:3]))
    return above(change, 0.17, 0.06)


def enters(way: TrajectorySpan, direction: str) -> tuple[float, float]:
    """(log-odds, when): was out of the picture and comes in, by the given side if there is one."""
    return _passes_edge(way, way.seen[0], way.seen[0, TIME] - way.begin, direction)


def leaves(way: TrajectorySpan, direction: str) -> tuple[float, float]:
    """(log-odds, when): was in the picture and goes out, by the given side if there is one."""
    value, when = _passes_edge(way, way.seen[-1], way.end - way.seen[-1, TIME], direction)
    if way.seen[-1, TIME] >= way.end:
        # Still seen at the end, but perhaps on its way out.
        value = 0.0 if reaches_edge(way.seen[-1:])[0] and not reaches_edge(way.seen[:1])[0] else value
    return value, when


def _passes_edge(way: TrajectorySpan, sample: np.ndarray, gap: float, direction: str) -> tuple[float, float]:
    """(log-odds, when). sample: the one nearest in time to when it was out of the picture; gap: frames for which it
    was."""
    least = max(2.0, _GAP * (way.end - way.begin))
    out = above(gap, least / 2, least / 4)
    reach = max(0.08, 0.5 * way.size)
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


def crosses(way: TrajectorySpan, direction: str) -> float:
    """Goes from one side of the picture to the other."""
    first, last = way.seen[0], way.seen[-1]
    moved = np.array([(last[LEFT] + last[RIGHT] - first[LEFT] - first[RIGHT]) / 2, 0.0])
    moved[1] = (last[TOP] + last[BOTTOM] - first[TOP] - first[BOTTOM]) / 2
    if direction in DIRECTIONS:
        return min(above(float(moved @ DIRECTIONS[direction]), 0.4, 0.1), goes(way, direction))
    return min(above(float(np.abs(moved).max()), 0.4, 0.1), moves(way))


Single = Callable[[TrajectorySpan, Motion], float]
ALONE: dict[str, Single] = {
    "moves": lambda way, motion: moves(way),
    "still": lambda way, motion: -moves(way),
    "goes": lambda way, motion: goes(way, motion.direction),
    "slows": lambda way, motion: min(moves(way), above(-paces(way), 0.5, 0.2)),
    "speeds": lambda way, motion: min(moves(way), above(paces(way), 0.5, 0.2)),
    "spins": lambda way, motion: spins(way),
    "turns": lambda way, motion: turns(way, motion.direction),
    "circles": lambda way, motion: circles(way),
    "sways": lambda way, motion: sways(way, motion.direction),
    "grows": lambda way, motion: grows(way, 1),
    "shrinks": lambda way, motion: grows(way, -1),
    "crosses": lambda way, motion: crosses(way, motion.direction),
}
"""Motions that are measured on one trajectory and do not happen at a certain moment."""


def measure_motion(way: TrajectorySpan, motion: Motion) -> tuple[float, float]:
    """(log-odds, when it was done) of a motion that does not involve another track."""
    match motion.deed:
        case "stops":
            return stops(way)
        case "starts":
            return starts(way)
        case "enters":
            return enters(way, motion.direction)
        case "leaves":
            return leaves(way, motion.direction)
        case name:
            return ALONE[name](way, motion), _begun(way, motion)


def _begun(way: TrajectorySpan, motion: Motion) -> float:
    """When it has covered half of its path."""
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(way.places, axis=0).T))])
    half = int(np.searchsorted(travelled, travelled[-1] / 2))
    return float(way.seen[min(half, len(way.seen) - 1), TIME])
