"""Log-odds of motions on hand-made trajectories: who performs an action, who does not, and who is first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from image_core.language.motion_parser import parse_timed
from rvos.tracking.motion.motion_evidence import motion_log_odds
from rvos.tracking.motion.motion_predicates import MAX_LOG_ODDS
from rvos.tracking.motion.trajectory import ANGLE, BOTTOM, LEFT, RIGHT, SCENE, SEEN, SIZE, TIME, TOP, Trajectory, X, Y

FRAMES = 36
Path = Callable[[float], tuple[float, float]]
"""Time in [0, 1] -> (x, y) in shares of the image's width and height."""


def trajectory(
    path: Path,
    *,
    size: Callable[[float], float] = lambda s: 0.1,
    angle: Callable[[float], float] = lambda s: 0.0,
    seen: range = range(FRAMES),
    pan: float = 0.0,
    scene: int = 0,
    jitter: float = 0.004,
) -> Trajectory:
    """The trajectory of an object with a jittering mask. pan: how far the camera goes right; only the box moves."""
    noise = np.random.default_rng(0).normal(0, jitter, (FRAMES, 2))
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
TRAJECTORIES = {
    "left": trajectory(line(0.8, 0.3, 0.3, 0.32)),
    "right": trajectory(line(0.2, 0.7, 0.75, 0.7)),
    "slowly right": trajectory(line(0.3, 0.9, 0.5, 0.9)),
    "up": trajectory(line(0.5, 0.8, 0.5, 0.3)),
    "still": trajectory(STILL),
    "stops": trajectory(line(0.2, 0.2, 0.5, 0.2, 0.0, 0.4)),
    "stops late": trajectory(line(0.2, 0.6, 0.5, 0.6, 0.0, 0.7)),
    "starts": trajectory(line(0.2, 0.2, 0.5, 0.2, 0.5, 1.0)),
    "circle": trajectory(circle),
    "sways": trajectory(there_and_back),
    "spins": trajectory(STILL, angle=lambda s: 4.0 * s),
    "jitters": trajectory(STILL, angle=lambda s: 0.3 * np.sin(40 * s), jitter=0.012),
    "grows": trajectory(STILL, size=lambda s: 0.1 * 1.6**s),
    "shrinks": trajectory(STILL, size=lambda s: 0.2 * 0.6**s),
    "enters left": trajectory(line(-0.3, 0.5, 0.4, 0.5), seen=range(14, FRAMES)),
    "enters right": trajectory(line(1.3, 0.2, 0.6, 0.2), seen=range(16, FRAMES)),
    "leaves": trajectory(line(0.5, 0.5, 1.2, 0.5), seen=range(24)),
    "panned": trajectory(STILL, pan=0.4),
    "left, then right": trajectory(lambda s: (0.7 - 0.8 * min(s, 0.5) + 0.8 * max(0.0, s - 0.5), 0.4)),
    "right, then left": trajectory(lambda s: (0.3 + 0.8 * min(s, 0.5) - 0.8 * max(0.0, s - 0.5), 0.4)),
}
LEADER, CHASER = trajectory(line(0.4, 0.5, 0.9, 0.5)), trajectory(line(0.1, 0.5, 0.7, 0.5))
OVERTAKER, OVERTAKEN = trajectory(line(0.1, 0.4, 0.9, 0.4)), trajectory(line(0.3, 0.6, 0.5, 0.6))


def log_odds(expression: str, trajectories: list[Trajectory]) -> np.ndarray:
    return motion_log_odds(parse_timed(expression).motions, trajectories)


@pytest.mark.parametrize(
    ("expression", "who", "others"),
    [
        ("the one moving left", "left", ["right", "up", "still", "panned", "circle", "sways", "left, then right"]),
        ("the one going right", "right", ["left", "up", "still", "panned", "jitters"]),
        ("the one that rises", "up", ["left", "right", "sways", "still"]),
        ("the one that stays", "still", ["left", "stops", "circle", "sways"]),
        ("the one that does not move", "panned", ["left", "starts", "up"]),
        ("the moving one", "left", ["still", "panned", "jitters", "spins"]),
        ("the one that stops", "stops", ["still", "left", "starts", "sways", "panned"]),
        ("the one that starts moving", "starts", ["still", "left", "stops"]),
        ("the one that stops first", "stops", ["stops late", "left", "still"]),
        ("the one that stops last", "stops late", ["stops", "left", "still"]),
        ("the one moving in a circle", "circle", ["left", "sways", "still", "jitters"]),
        ("the one moving up and down", "sways", ["left", "still", "up", "jitters"]),
        ("the one that spins", "spins", ["still", "jitters", "left"]),
        ("the one that turns", "spins", ["still", "jitters", "left"]),
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
def test_the_track_that_performs_the_action_is_positive_and_the_others_negative(
    expression: str, who: str, others: list[str]
) -> None:
    values = log_odds(expression, [TRAJECTORIES[name] for name in (who, *others)])
    assert values[0] > 0, values
    assert (values[1:] < 0).all(), dict(zip(others, values[1:].round(2), strict=True))


@pytest.mark.parametrize(
    ("expression", "who", "other"),
    [
        ("the dog chasing another", CHASER, LEADER),
        ("the dog being followed by another", LEADER, CHASER),
        ("the car overtaking the other one", OVERTAKER, OVERTAKEN),
        ("the man moving away from the others", TRAJECTORIES["left"], trajectory(line(0.85, 0.3, 0.85, 0.3))),
        ("the man walking towards the others", TRAJECTORIES["right"], trajectory(line(0.85, 0.7, 0.85, 0.7))),
    ],
)
def test_actions_relative_to_another_track(expression: str, who: Trajectory, other: Trajectory) -> None:
    mine, others = log_odds(expression, [who, other])
    assert mine > 0 > others


def test_all_tracks_that_perform_the_action_are_positive() -> None:
    values = log_odds(
        "the two that move right",
        [TRAJECTORIES["right"], TRAJECTORIES["left"], TRAJECTORIES["slowly right"], TRAJECTORIES["still"]],
    )
    assert (values > 0).tolist() == [True, False, True, False]


def test_a_track_with_too_few_samples_has_log_odds_0() -> None:
    assert log_odds("the one moving left", [trajectory(STILL, seen=range(2))]).tolist() == [0.0]
    assert log_odds("the one moving left", []).tolist() == []


def test_a_track_that_begins_with_a_new_scene_has_not_entered() -> None:
    begun = trajectory(line(0.02, 0.5, 0.5, 0.5), seen=range(20, FRAMES), scene=20)
    assert log_odds("the one that enters", [begun])[0] < 0


def test_actions_that_one_image_shows_have_small_log_odds() -> None:
    assert np.abs(log_odds("the man walking", [TRAJECTORIES["left"], TRAJECTORIES["still"]])).max() == 1.0


def test_log_odds_are_bounded() -> None:
    for expression in (
        "the one moving left",
        "the fastest one",
        "the one that stops first",
        "the one that never moves",
    ):
        assert np.abs(log_odds(expression, list(TRAJECTORIES.values()))).max() <= MAX_LOG_ODDS
