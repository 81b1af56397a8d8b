"""The recipes of the challenge families: each returns the plan with its challenge, and the plan without it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from image_core.synthetic.scene import SceneObject
from rvos.synthetic.camera import moving_camera
from rvos.synthetic.challenge_setup import AnimationPlan, ChallengeSetup, Recipe, around, outside, radius_of
from rvos.synthetic.motions import Point, frame_box, interpolate_path, log_uniform, point_in, poses_of, random_spins
from rvos.synthetic.object_set import sample_occluder

_SIDES = ("left", "right", "left", "right", "top", "bottom")


def _plain(setup: ChallengeSetup) -> tuple[AnimationPlan, AnimationPlan]:
    poses = setup.extras() | {1: setup.ordinary(setup.object_set.target, setup.fast)}
    plan = AnimationPlan(setup.order(), poses)
    return plan, plan


def _occlusion(setup: ChallengeSetup) -> tuple[AnimationPlan, AnimationPlan]:
    """The way of the target as seen from the occluder: up to it, behind it, on; either of them may be the one to move.

    Without the challenge the target passes in front of it.
    """
    rng, frames = setup.rng, setup.frames
    target = replace(setup.object_set.target, size=min(setup.object_set.target.size, 0.26))
    slack = rng.uniform(0.02, 0.05)
    occluder = sample_occluder(rng, 3 + len(setup.object_set.others), target, 1.04 * radius_of(target) + slack)
    far = (0.25 * occluder.size if occluder.shape == "rectangle" else radius_of(occluder)) + radius_of(target) + 0.04
    low, high = setup.severity.hidden_frames
    arrival, dwell, pace = rng.uniform(0.2, 0.34) * frames, rng.uniform(low + 2, high - 5), rng.uniform(3, 7)
    start = rng.choice((0, math.pi)) + rng.uniform(-0.4, 0.4)
    # It goes on, or turns back.
    end = start + (math.pi if rng.random() < 0.65 else rng.uniform(-0.3, 0.3))
    relative = interpolate_path(
        [
            (0, _polar(start, far * rng.uniform(1.0, 1.5))),
            (arrival - pace, _polar(start, far)),
            (arrival, _polar(start, slack)),
            (arrival + dwell, _polar(end, slack)),
            (arrival + dwell + pace, _polar(end, far)),
            (frames - 1, _polar(end, far * rng.uniform(1.0, 1.4))),
        ],
        frames,
    )
    share = rng.choice((0.0, 0.5, 1.0, 1.0))
    carry = np.zeros((frames, 2))
    if share < 1:
        # What hides the target takes it elsewhere.
        carry = interpolate_path(
            [(arrival, (0, 0)), (arrival + dwell, (rng.uniform(-0.35, 0.35), rng.uniform(-0.15, 0.15)))], frames
        )
    path, cover = share * relative + carry, (share - 1) * relative + carry
    base = _fitting_base(setup, path, target.size)
    poses = setup.extras()
    poses[1] = poses_of(path + base, np.full(frames, target.size), random_spins(rng, target, frames, setup.severity))
    still = np.tile((occluder.rotation, 0.0, 0.0), (frames, 1))
    poses[occluder.id] = poses_of(cover + base, np.full(frames, occluder.size), still)
    rest = setup.shuffled((setup.object_set.lookalike, *setup.object_set.others))
    return AnimationPlan((*rest, target, occluder), poses), AnimationPlan((*rest, occluder, target), poses)


def _exit_reentry(setup: ChallengeSetup) -> tuple[AnimationPlan, AnimationPlan]:
    """Out at one side, round the frame, in at another and at another size; the look-alike comes in before.

    Without the challenge the target goes straight from its first place to its last.
    """
    rng, frames, target = setup.rng, setup.frames, setup.object_set.target
    side = rng.choice(_SIDES)
    back = rng.choice([s for s in _SIDES if s != side])
    scale = rng.uniform(*setup.severity.reentry_scale)
    # Away from the smallest and the largest sizes.
    later = target.size * (scale if target.size < 0.26 else 1 / scale)
    gone = round(rng.uniform(0.22, 0.34) * frames)
    arrival = gone + rng.randint(setup.severity.exit_frames[0] + 3, setup.severity.exit_frames[1])
    start, end = (point_in(rng, frame_box(size, setup.width)) for size in (target.size, later))
    largest = radius_of(target) * max(1.0, later / target.size)
    leave, enter = outside(setup, side, largest), outside(setup, back, largest)
    way = around(setup, leave, enter, arrival - gone - 1)
    knots = [(0.0, start), (rng.uniform(0.0, 0.4) * gone, start), (float(gone), leave)]
    knots += [(gone + 1.0 + i, point) for i, point in enumerate(way)]
    knots += [(float(arrival), enter), (arrival + rng.uniform(3, 9), end)]
    sizes = np.interp(np.arange(frames), (gone, arrival), (target.size, later))
    spins = random_spins(rng, target, frames, setup.severity)
    poses = setup.extras()
    poses[1] = poses_of(interpolate_path(knots, frames), sizes, spins)
    entry = side if rng.random() < 0.6 else back
    poses[2] = _entering(setup, setup.object_set.lookalike, entry, gone + rng.uniform(1, max(1.5, arrival - gone - 4)))
    direct = poses_of(interpolate_path([(0, start), (frames - 1, end)], frames), np.full(frames, target.size), spins)
    order = setup.order(0.85)
    return AnimationPlan(order, poses), AnimationPlan(order, poses | {1: direct})


def _entering(setup: ChallengeSetup, item: SceneObject, side: str, time: float) -> np.ndarray:
    """Poses of an object that waits outside and comes in at `time`."""
    rng, frames = setup.rng, setup.frames
    door = outside(setup, side, radius_of(item))
    wait = around(setup, door, door, 1)[0]
    box = frame_box(item.size, setup.width)
    inside = point_in(rng, box)
    knots = [(0.0, wait), (time - 2, wait), (time, door), (time + rng.uniform(2, 8), inside)]
    knots.append((frames - 1.0, point_in(rng, box)))
    spins = random_spins(rng, item, frames, setup.severity)
    return poses_of(interpolate_path(knots, frames), np.full(frames, item.size), spins)


def _lookalike_crossing(setup: ChallengeSetup) -> tuple[AnimationPlan, AnimationPlan]:
    """Both come to one point at one time and go on, turn back, or weave. Without the challenge both keep apart."""
    rng, frames, object_set = setup.rng, setup.frames, setup.object_set
    steps, meeting = np.arange(frames), round(rng.uniform(0.35, 0.65) * frames)
    reach = setup.width / 2 - 0.6 * max(object_set.target.size, object_set.lookalike.size)
    reach *= rng.uniform(0.75, 1.0)
    # Past one another faster than anything else moves, or at leisure.
    pace = (rng.uniform(1.1, 1.5) * object_set.target.size) if setup.fast else log_uniform(rng, 0.03, 0.09)
    offset = np.clip((steps - meeting) * pace, -reach, reach)
    draw = rng.random()
    if draw < 0.3:
        offset = -np.abs(offset)
    elif draw < 0.5 and not setup.fast:
        offset = -reach * np.cos(math.pi * (steps / meeting) / 2)
    sign = rng.choice((-1, 1))
    tilt = 0.0 if object_set.differs == "place" else rng.uniform(-0.45, 0.45)
    apart = _meeting_distance(setup)
    middle = np.array([setup.width / 2, rng.uniform(0.4, 0.6)])
    away = -(0.45 * reach + 0.55 * np.abs(offset))
    poses, without_challenge = setup.extras(), {}
    for item, direction, side in ((object_set.target, (sign, tilt), -0.5), (object_set.lookalike, (-sign, tilt), 0.5)):
        base = middle + np.array([0.0, side * apart])
        spins = random_spins(rng, item, frames, setup.severity)
        sizes = np.full(frames, item.size)
        poses[item.id] = poses_of(base + offset[:, None] * direction, sizes, spins)
        without_challenge[item.id] = poses_of(base + away[:, None] * direction, sizes, spins)
    pair = setup.shuffled((object_set.target, object_set.lookalike))
    order = (*setup.shuffled(object_set.others), *pair)
    return AnimationPlan(order, poses), AnimationPlan(order, poses | without_challenge)


def _meeting_distance(setup: ChallengeSetup) -> float:
    """How far apart, top to bottom, the twins pass: identical ones so far that one of them is the upper one."""
    mean = (setup.object_set.target.size + setup.object_set.lookalike.size) / 2
    nearest = 0.09 if setup.object_set.differs == "place" else 0.0
    return setup.rng.choice((-1, 1)) * setup.rng.uniform(nearest, max(nearest, 0.45 * mean))


def _camera_motion(setup: ChallengeSetup) -> tuple[AnimationPlan, AnimationPlan]:
    plan, _ = _plain(setup)
    moving = moving_camera(setup.rng, setup.frames, setup.width, setup.severity)
    return replace(plan, camera=moving), plan


def _scale_change(setup: ChallengeSetup) -> tuple[AnimationPlan, AnimationPlan]:
    """The target comes nearer, goes away, or both. Without the challenge it keeps the size between the two."""
    rng, frames, target = setup.rng, setup.frames, setup.object_set.target
    low, high = setup.severity.scale_sizes
    ratio = min(log_uniform(rng, *setup.severity.scale_ratio), high / low)
    small = log_uniform(rng, low, high / ratio)
    share = np.linspace(0, 1, frames)
    if rng.random() < 0.35:
        share = (1 - np.cos(2 * math.pi * share)) / 2
    if rng.random() < 0.5:
        share = 1 - share
    poses = setup.extras()
    # The biggest may reach out of the frame a little.
    inside = setup.ordinary(replace(target, size=0.8 * small * ratio), setup.fast)
    poses[1] = inside.copy()
    poses[1][:, 2] = small * ratio**share
    without_challenge = inside.copy()
    without_challenge[:, 2] = small * math.sqrt(ratio)
    order = setup.order(0.85)
    return AnimationPlan(order, poses), AnimationPlan(order, poses | {1: without_challenge})


def _absent(setup: ChallengeSetup) -> tuple[AnimationPlan, AnimationPlan]:
    """No target, and look-alikes that move: there is no challenge to take away."""
    recipe = _plain if setup.rng.random() < 0.5 else _lookalike_crossing
    plan, _ = recipe(setup)
    return plan, plan


def _partly_absent(setup: ChallengeSetup) -> tuple[AnimationPlan, AnimationPlan]:
    """The target comes in late, or leaves for good. Without the challenge it is in the frame all along."""
    rng, frames, target = setup.rng, setup.frames, setup.object_set.target
    poses = setup.extras()
    side, time = rng.choice(_SIDES), rng.uniform(0.36, 0.62) * frames
    arriving = _entering(setup, target, side, time)
    box = frame_box(target.size, setup.width)
    inside = arriving[-1, :2]
    without_challenge = arriving.copy()
    without_challenge[:, :2] = interpolate_path(
        [(0, point_in(rng, box)), (frames - 1, (float(inside[0]), float(inside[1])))], frames
    )
    if rng.random() < 0.5:
        arriving, without_challenge = arriving[::-1].copy(), without_challenge[::-1].copy()
    order = setup.order(0.85)
    return AnimationPlan(order, poses | {1: arriving}), AnimationPlan(order, poses | {1: without_challenge})


def _polar(angle: float, radius: float) -> Point:
    return radius * math.cos(angle), radius * math.sin(angle)


def _fitting_base(setup: ChallengeSetup, path: np.ndarray, size: float) -> Point:
    """A shift that brings a path into the frame, by chance within the room there is, or to the middle where none is."""
    low, high = frame_box(size, setup.width)
    shift = []
    for axis in (0, 1):
        least, most = low[axis] - float(path[:, axis].min()), high[axis] - float(path[:, axis].max())
        shift.append(setup.rng.uniform(least, most) if least < most else (least + most) / 2)
    return shift[0], shift[1]


RECIPES: dict[str, Recipe] = {
    "plain": _plain,
    "occlusion": _occlusion,
    "exit_reentry": _exit_reentry,
    "lookalike_crossing": _lookalike_crossing,
    "camera_motion": _camera_motion,
    "scale_change": _scale_change,
    "absent": _absent,
    "partly_absent": _partly_absent,
}
