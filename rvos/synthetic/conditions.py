"""Checks that an animation shows the challenge of its family, measured on the animation itself."""

from __future__ import annotations

import math

import numpy as np

from rvos.synthetic.animation import CAMERA_X, CAMERA_Y, ZOOM, Animation
from rvos.synthetic.severity import FAMILIES, Severity

TARGET, LOOKALIKE = 1, 2
_CLEAR = 0.5
"""Share of its own area that a clearly visible object shows."""


def shows_challenge(family: str, animation: Animation, severity: Severity) -> bool:
    """Whether an animation shows the challenge of its family."""
    seen, part = animation.visible_of(TARGET), animation.shown_part[:, animation.position[TARGET]]
    match family:
        case "plain" | "absent":
            return bool(part.min() >= _CLEAR)
        case "occlusion":
            return _hidden_between(seen, severity.hidden_frames) and _clear_ends(part)
        case "exit_reentry":
            return (
                _hidden_between(seen, (severity.exit_frames[0], severity.hidden_frames[1]))
                and _clear_ends(part)
                and _out_of_frame(animation, ~seen)
                and _lookalike_first(animation, seen)
            )
        case "lookalike_crossing":
            apart = _distance(animation) / _mean_size(animation)
            return bool(apart.min() <= severity.crossing_distance and part[0] >= _CLEAR and (~seen).sum() <= 4)
        case "camera_motion":
            return bool(part.min() >= 0.25 and seen.all() and _camera_travel(animation) >= 0.3)
        case "scale_change":
            sizes = np.array([scene.by_id[TARGET].size for scene in animation.scenes])
            return bool(sizes.max() >= severity.scale_ratio[0] * sizes.min() and part.min() >= 0.4)
        case "partly_absent":
            runs = runs_of(~seen)
            at_end = len(runs) == 1 and (runs[0][0] == 0 or runs[0][1] == len(seen))
            return at_end and severity.absent_frames <= (~seen).sum() <= len(seen) - 10
        case _:
            raise ValueError(f"holds: expected one of {', '.join(FAMILIES)}, got family {family!r}")


def shows_target(family: str, animation: Animation) -> bool:
    """Whether the animation without its challenge shows the target all along."""
    part = animation.shown_part[:, animation.position[TARGET]]
    return bool(animation.visible_of(TARGET).all() and np.quantile(part, 0.1) >= 0.4)


def runs_of(flags: np.ndarray) -> list[tuple[int, int]]:
    """The runs of True in (T,) bool, as half-open (start, stop)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _hidden_between(seen: np.ndarray, lengths: tuple[int, int]) -> bool:
    """Whether it is invisible exactly once, for `lengths` frames, and visible for 4 or more before and after."""
    runs = runs_of(~seen)
    if len(runs) != 1:
        return False
    start, stop = runs[0]
    return lengths[0] <= stop - start <= lengths[1] and start >= 4 and len(seen) - stop >= 4


def _clear_ends(part: np.ndarray) -> bool:
    """Whether it is seen well on some of the first frames, and again on some of the last."""
    third = len(part) // 3
    return bool((part[:third] >= _CLEAR).sum() >= 3 and (part[-third:] >= _CLEAR).sum() >= 3)


def _out_of_frame(animation: Animation, frames: np.ndarray) -> bool:
    """Whether the target lies out of the frame where it is not seen: nothing merely hides it."""
    for t in np.flatnonzero(frames):
        item = animation.scenes[t].by_id[TARGET]
        outside = max(-item.x, item.x - animation.width, -item.y, item.y - 1)
        if outside < 0.25 * item.size:
            return False
    return True


def _lookalike_first(animation: Animation, seen: np.ndarray) -> bool:
    """Whether the look-alike comes into view while the target is gone."""
    start, stop = runs_of(~seen)[0]
    entered = np.flatnonzero(animation.visible_of(LOOKALIKE))
    return bool(len(entered) and start <= entered[0] < stop)


def _distance(animation: Animation) -> np.ndarray:
    pairs = [(scene.by_id[TARGET], scene.by_id[LOOKALIKE]) for scene in animation.scenes]
    return np.array([math.hypot(a.x - b.x, a.y - b.y) for a, b in pairs])


def _mean_size(animation: Animation) -> np.ndarray:
    return np.array([(s.by_id[TARGET].size + s.by_id[LOOKALIKE].size) / 2 for s in animation.scenes])


def _camera_travel(animation: Animation) -> float:
    """How far the ground moves through the frame, or how much it grows, from one end of its range to the other."""
    spread = np.ptp(animation.camera, axis=0)
    return float(
        max(
            spread[CAMERA_X],
            spread[CAMERA_Y],
            math.log(animation.camera[:, ZOOM].max() / animation.camera[:, ZOOM].min()),
        )
    )
