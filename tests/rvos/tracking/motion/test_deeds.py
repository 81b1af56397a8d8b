"""What hand-made ways say of deeds: who does it, who does not, and who does it first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from image_core.language.motion_parser import parse_timed
from rvos.tracking.motion.motion_evidence import evidence
from rvos.tracking.motion.motion_predicates import SURE
from rvos.tracking.motion.trajectory import ANGLE, BOTTOM, LEFT, RIGHT, SCENE, SEEN, SIZE, TIME, TOP, Trajectory, X, Y

FRAMES = 36
Path = Callable[[float], tuple[float, float]]
"""Time in [0, 1] -> (x, y) in shares of the picture's width and height."""


def way(
    path: Path,
    *,
    size: Callable[[float], float] = lambda s: 0.1,
    angle: Callable[[float], float] = lambda s: 0.0,
    seen: range = range(FRAMES),
    pan: float = 0.0,
    scene: int = 0,
    tremble: float = 0.004,
) -> Trajectory:
    """The way of a thing whose mask trembles; pan: how far the camera goes right, which is in the box alone."""
    noise = np.random.default_rng(0).normal(0, tremble, (FRAMES, 2))
    rows = np.zeros((FRAMES, 11), np.float32)
    for t in range(FRAMES):
        s = t / (FRAMES - 1)
        (x, y), side = path(s), size(s)
        x, y = x + noise[t, 0], y + noise[t, 1]
        rows[t, [TIME, X, Y, SIZE, ANGLE, SEEN]] = t, x, y, np.log(side), angle(s), t in seen
        box = np.clip([x - pan * s - side / 2, y - side / 2, x - pan * s + side / 2, y + side / 2], 0, 1)
        rows[t, [LEFT, TOP, RIGHT, BOTTOM]] = box
        rows[t, SCENE] = scene
    return Trajectory(samples=rows)


def line(x0: float, y0: float, x1: float, y1: float, start: float = 0.0, end: float = 1.0) -> Path:
    """From one place to another, at rest before `start` and after `end`."""

    def path(s: float) -> tuple[float, float]:
        share = float(np.clip((s - start) / (end - start), 0, 1))
        return x0 + share * (x1 - x0), y0 + share * (y1 - y0)

    return path


def circle(s: float) -> tuple[float, float]:
    return 0.5 + 0.2 * np.cos(6.0 * s), 0.5 + 0.2 * np.sin(6.0 * s)


def there_and_back(s: float) -> tuple[float, float]:
    return 0.5, 0.5 + 0.15 * np.sin(15 * s)


STILL = line(0.5, 0.5, 0.5, 0.5)
WAYS = {
    "left": way(line(0.8, 0.3, 0.3, 0.32)),
    "right": way(line(0.2, 0.7, 0.75, 0.7)),
    "slowly right": way(line(0.3, 0.9, 0.5, 0.9)),
    "up": way(line(0.5, 0.8, 0.5, 0.3)),
    "still": way(STILL),
    "stops": way(line(0.2, 0.2, 0.5, 0.2, 0.0, 0.4)),
    "stops late": way(line(0.2, 0.6, 0.5, 0.6, 0.0, 0.7)),
    "starts": way(line(0.2, 0.2, 0.5, 0.2, 0.5, 1.0)),
    "circle": way(circle),
    "sways": way(there_and_back),
    "spins": way(STILL, angle=lambda s: 4.0 * s),
    "trembles": way(STILL, angle=lambda s: 0.3 * np.sin(40 * s), tremble=0.012),
    "grows": way(STILL, size=lambda s: 0.1 * 1.6**s),
    "shrinks": way(STILL, size=lambda s: 0.2 * 0.6**s),
    "enters left": way(line(-0.3, 0.5, 0.4, 0.5), seen=range(14, FRAMES)),
    "enters right": way(line(1.3, 0.2, 0.6, 0.2), seen=range(16, FRAMES)),
    "leaves": way(line(0.5, 0.5, 1.2, 0.5), seen=range(24)),
    "panned": way(STILL, pan=0.4),
    "left, then right": way(lambda s: (0.7 - 0.8 * min(s, 0.5) + 0.8 * max(0.0, s - 0.5), 0.4)),
    "right, then left": way(lambda s: (0.3 + 0.8 * min(s, 0.5) - 0.8 * max(0.0, s - 0.5), 0.4)),
}
LEADER, CHASER = way(line(0.4, 0.5, 0.9, 0.5)), way(line(0.1, 0.5, 0.7, 0.5))
OVERTAKER, OVERTAKEN = way(line(0.1, 0.4, 0.9, 0.4)), way(line(0.3, 0.6, 0.5, 0.6))


def told(expression: str, ways: list[Trajectory]) -> np.ndarray:
    return evidence(parse_timed(expression).motions, ways)


@pytest.mark.parametrize(
    ("expression", "who", "others"),
    [
        ("the one moving left", "left", ["right", "up", "still", "panned", "circle", "sways", "left, then right"]),
        ("the one going right", "right", ["left", "up", "still", "panned", "trembles"]),
        ("the one that rises", "up", ["left", "right", "sways", "still"]),
        ("the one that stays", "still", ["left", "stops", "circle", "sways"]),
        ("the one that does not move", "panned", ["left", "starts", "up"]),
        ("the moving one", "left", ["still", "panned", "trembles", "spins"]),
        ("the one that stops", "stops", ["still", "left", "starts", "sways", "panned"]),
        ("the one that starts moving", "starts", ["still", "left", "stops"]),
        ("the one that stops first", "stops", ["stops late", "left", "still"]),
        ("the one that stops last", "stops late", ["stops", "left", "still"]),
        ("the one moving in a circle", "circle", ["left", "sways", "still", "trembles"]),
        ("the one moving up and down", "sways", ["left", "still", "up", "trembles"]),
        ("the one that spins", "spins", ["still", "trembles", "left"]),
        ("the one that turns", "spins", ["still", "trembles", "left"]),
        ("the one coming closer", "grows", ["still", "shrinks", "left"]),
        ("the one getting smaller", "shrinks", ["still", "grows", "panned"]),
        ("the one that enters", "enters left", ["left", "still", "leaves"]),
        ("the one entering from the right", "enters right", ["enters left", "right", "still"]),
        ("the one that leaves", "leaves", ["left", "still", "enters left", "enters right"]),
        ("the fastest one", "right", ["slowly right", "still", "stops"]),
        ("the one moving slowly to the right", "slowly right", ["right", "left", "still"]),
        ("the one that moves left and then right", "left, then right", ["right, then left", "left", "right", "still"]),
        ("the one that moves and then stops", "stops", ["left", "still", "starts"]),
        ("the one that moves at the end", "starts", ["stops", "still"]),
        ("the one that moves at the beginning", "stops", ["starts", "still"]),
        ("the one that crosses the picture from left to right", "right", ["left", "slowly right", "still"]),
    ],
)
def test_who_does_it(expression: str, who: str, others: list[str]) -> None:
    values = told(expression, [WAYS[name] for name in (who, *others)])
    assert values[0] > 0, values
    assert (values[1:] < 0).all(), dict(zip(others, values[1:].round(2), strict=True))


@pytest.mark.parametrize(
    ("expression", "who", "other"),
    [
        ("the dog chasing another", CHASER, LEADER),
        ("the dog being followed by another", LEADER, CHASER),
        ("the car overtaking the other one", OVERTAKER, OVERTAKEN),
        ("the man moving away from the others", WAYS["left"], way(line(0.85, 0.3, 0.85, 0.3))),
        ("the man walking towards the others", WAYS["right"], way(line(0.85, 0.7, 0.85, 0.7))),
    ],
)
def test_what_tracks_do_to_each_other(expression: str, who: Trajectory, other: Trajectory) -> None:
    mine, others = told(expression, [who, other])
    assert mine > 0 > others


def test_all_that_cross_are_told() -> None:
    values = told("the two that move right", [WAYS["right"], WAYS["left"], WAYS["slowly right"], WAYS["still"]])
    assert (values > 0).tolist() == [True, False, True, False]


def test_nothing_is_told_of_what_was_hardly_seen() -> None:
    assert told("the one moving left", [way(STILL, seen=range(2))]).tolist() == [0.0]
    assert told("the one moving left", []).tolist() == []


def test_what_comes_up_with_a_new_scene_has_not_entered() -> None:
    begun = way(line(0.02, 0.5, 0.5, 0.5), seen=range(20, FRAMES), scene=20)
    assert told("the one that enters", [begun])[0] < 0


def test_words_that_a_picture_shows_count_little() -> None:
    assert np.abs(told("the man walking", [WAYS["left"], WAYS["still"]])).max() == 1.0


def test_log_odds_are_bounded() -> None:
    for expression in (
        "the one moving left",
        "the fastest one",
        "the one that stops first",
        "the one that never moves",
    ):
        assert np.abs(told(expression, list(WAYS.values()))).max() <= SURE
