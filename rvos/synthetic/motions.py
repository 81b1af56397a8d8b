"""Ways to move, grow and turn: each gives one row per frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import numpy as np

from image_core.synthetic.scene import SceneObject
from image_core.synthetic.shapes import OUTLINES
from rvos.synthetic.severity import Severity

Point = tuple[float, float]
Box = tuple[Point, Point]
"""(x, y) of two opposite corners, the smaller coordinates first."""

ORDINARY = {"line": 4, "curve": 3, "bounce": 3, "circle": 2, "still": 2, "stop": 2, "wander": 3}
_ROUND = ("circle", "ring")


def poses_of(path: np.ndarray, sizes: np.ndarray, spins: np.ndarray) -> np.ndarray:
    """(T, 6) poses of a moving object from its path (T, 2), its sizes (T,) and its spins (T, 3): see
    `animation.MovingObject`."""
    return np.column_stack([path, sizes, spins])


def random_poses(
    rng: Random, item: SceneObject, box: Box, frames: int, severity: Severity, fast: bool = False, steady: bool = False
) -> np.ndarray:
    """Poses of an object whose centre stays in a box: in one of the ways of `ORDINARY`, or in dashes where `fast`.

    steady: its size does not change.
    """
    if fast:
        path = dash_path(rng, frames, box, item.size, severity)
    else:
        kind = rng.choices(list(ORDINARY), list(ORDINARY.values()))[0]
        path = _PATHS[kind](rng, frames, box, log_uniform(rng, *severity.speed))
    sizes = item.size * (np.ones(frames) if steady else random_scale(rng, frames))
    return poses_of(path, sizes, random_spins(rng, item, frames, severity))


def frame_box(size: float, width: float) -> Box:
    """Where the centre of an object of that size may be for all of it to be in the frame."""
    return (0.5 * size, 0.5 * size), (width - 0.5 * size, 1 - 0.5 * size)


def log_uniform(rng: Random, low: float, high: float) -> float:
    """A number of [low, high], its logarithm uniform."""
    return low * (high / low) ** rng.random()


def random_scale(rng: Random, frames: int) -> np.ndarray:
    """(T,) factors of the size: mostly 1, now and then growing, shrinking or breathing."""
    draw, share = rng.random(), np.linspace(0, 1, frames)
    if draw < 0.7:
        return np.ones(frames)
    ratio = rng.uniform(1.25, 1.6)
    if draw < 0.85:
        ends = (1 / ratio, 1.0) if rng.random() < 0.5 else (1.0, 1 / ratio)
        return ends[0] * (ends[1] / ends[0]) ** share
    return np.exp(-0.5 * math.log(ratio) * (1 - np.cos(2 * math.pi * rng.uniform(0.7, 2.0) * share)) / 2)


def random_spins(rng: Random, item: SceneObject, frames: int, severity: Severity) -> np.ndarray:
    """(T, 3): rotation, turn of the pattern, phase of the bend. No turn takes a shape's name from it."""
    steps, freedom = np.arange(frames), OUTLINES[item.shape].freedom
    rotation = np.full(frames, item.rotation)
    draw, sign = rng.random(), rng.choice((-1, 1))
    if freedom < math.pi:
        if draw < 0.5:
            rotation = freedom * np.sin(steps * rng.uniform(0.1, 0.4) + rng.uniform(0, 6.28))
    elif draw < 0.35 and item.shape not in _ROUND:
        rotation = item.rotation + sign * rng.uniform(0.04, 0.2) * steps
    elif draw < 0.5:
        rotation = item.rotation + rng.uniform(0.2, 0.8) * np.sin(steps * rng.uniform(0.1, 0.4))
    turn = np.zeros(frames)
    if item.fill != "plain" and rng.random() < severity.pattern_turn_share:
        turn = rng.choice((-1, 1)) * rng.uniform(*severity.pattern_turn) * steps
    return np.column_stack([rotation, turn, rng.choice((-1, 1)) * rng.uniform(0.12, 0.5) * steps])


def interpolate_path(knots: list[tuple[float, Point]], frames: int) -> np.ndarray:
    """(T, 2) through (time, point) knots, straight between them."""
    times = [time for time, _ in knots]
    points = np.array([point for _, point in knots])
    steps = np.arange(frames)
    return np.column_stack([np.interp(steps, times, points[:, 0]), np.interp(steps, times, points[:, 1])])


def point_in(rng: Random, box: Box) -> Point:
    """A point of a box ((x0, y0), (x1, y1))."""
    return rng.uniform(box[0][0], box[1][0]), rng.uniform(box[0][1], box[1][1])


def _far_pair(rng: Random, box: Box, length: float) -> tuple[Point, Point]:
    """Two points of a box whose distance is near `length`, as well as a few tries allow."""
    pairs = [(point_in(rng, box), point_in(rng, box)) for _ in range(12)]
    return min(pairs, key=lambda pair: abs(math.dist(*pair) - length))


def _line(rng: Random, frames: int, box: Box, speed: float) -> np.ndarray:
    start, end = _far_pair(rng, box, speed * frames)
    return interpolate_path([(0, start), (frames - 1, end)], frames)


def _curve(rng: Random, frames: int, box: Box, speed: float) -> np.ndarray:
    start, end = _far_pair(rng, box, speed * frames)
    middle, share = np.array(point_in(rng, box)), np.linspace(0, 1, frames)[:, None]
    return (1 - share) ** 2 * np.array(start) + 2 * share * (1 - share) * middle + share**2 * np.array(end)


def _bounce(rng: Random, frames: int, box: Box, speed: float) -> np.ndarray:
    start, angle = np.array(point_in(rng, box)), rng.uniform(0, 2 * math.pi)
    low, span = np.array(box[0]), np.array(box[1]) - np.array(box[0])
    free = start - low + 1.4 * speed * np.arange(frames)[:, None] * (math.cos(angle), math.sin(angle))
    folded = free % (2 * span)
    return low + np.minimum(folded, 2 * span - folded)


def _circle(rng: Random, frames: int, box: Box, speed: float) -> np.ndarray:
    low, high = np.array(box[0]), np.array(box[1])
    radius = rng.uniform(0.3, 0.5) * float((high - low).min())
    centre = np.array(point_in(rng, (tuple(low + radius), tuple(high - radius))))
    angle = rng.uniform(0, 2 * math.pi) + rng.choice((-1, 1)) * max(speed / radius, 0.12) * np.arange(frames)
    return centre + radius * np.column_stack([np.cos(angle), np.sin(angle)])


def _still(rng: Random, frames: int, box: Box, speed: float) -> np.ndarray:
    return np.tile(point_in(rng, box), (frames, 1))


def _stop(rng: Random, frames: int, box: Box, speed: float) -> np.ndarray:
    halt = rng.uniform(0.35, 0.6) * frames
    start, end = _far_pair(rng, box, max(0.35, 1.3 * speed * halt))
    return interpolate_path([(0, start), (halt, end)], frames)


def _wander(rng: Random, frames: int, box: Box, speed: float) -> np.ndarray:
    low, span = np.array(box[0]), np.array(box[1]) - np.array(box[0])
    steps, place = np.arange(frames)[:, None], np.zeros((frames, 2))
    for weight in (0.7, 0.3):
        pace = np.array([rng.uniform(0.5, 1.5), rng.uniform(0.5, 1.5)]) * speed * 3 / weight
        place += weight * np.sin(pace * steps + (rng.uniform(0, 6.28), rng.uniform(0, 6.28)))
    return low + span * (place + 1) / 2


def dash_path(rng: Random, frames: int, box: Box, size: float, severity: Severity) -> np.ndarray:
    """Short rests and dashes of more than its own size in every frame."""
    here, time = point_in(rng, box), 0.0
    knots = [(time, here)]
    while time < frames - 1:
        time += rng.randint(2, 5)
        knots.append((time, here))
        step = rng.uniform(*severity.fast_factor) * size
        there = max((point_in(rng, box) for _ in range(4)), key=lambda point: math.dist(point, here))
        count = max(1, math.floor(math.dist(here, there) / step))
        time, here = time + count, there
        knots.append((time, here))
    return interpolate_path(knots, frames)


_PATHS: dict[str, Callable[[Random, int, Box, float], np.ndarray]] = {
    "line": _line,
    "curve": _curve,
    "bounce": _bounce,
    "circle": _circle,
    "still": _still,
    "stop": _stop,
    "wander": _wander,
}
