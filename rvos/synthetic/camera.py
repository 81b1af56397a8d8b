"""Where the camera points and how bright it is: still, swaying, panning, zooming, shaking."""

from __future__ import annotations

import math
from random import Random

import numpy as np

from rvos.synthetic.severity import Severity

GROUND = 2.1
"""The ground of an animation with camera motion is that many times wider and higher than the frame."""


def still_camera(frames: int, width: float) -> np.ndarray:
    """(T, 4): the world from (0, 0) to (width, 1), upright."""
    return np.tile((width / 2, 0.5, 1.0, 0.0), (frames, 1))


def swaying_camera(rng: Random, frames: int, width: float, sway: float) -> np.ndarray:
    """A camera held by a hand: it moves by about `sway`."""
    camera = still_camera(frames, width)
    camera[:, :2] += sway * np.column_stack([_waves(rng, frames), _waves(rng, frames)])
    camera[:, 3] += 0.5 * sway * _waves(rng, frames)
    return camera


def moving_camera(rng: Random, frames: int, width: float, severity: Severity) -> np.ndarray:
    """Two or three of pan, zoom and shake at once."""
    camera = still_camera(frames, width)
    parts = rng.choice((("pan", "shake"), ("zoom", "shake"), ("pan", "zoom"), ("pan", "zoom", "shake")))
    if "pan" in parts:
        reach, angle = rng.uniform(*severity.pan), rng.choice((0, math.pi)) + rng.uniform(-0.45, 0.45)
        swing = _sweep(rng, frames)[:, None] - 0.5
        camera[:, :2] += reach * swing * (math.cos(angle), 0.6 * math.sin(angle))
    if "zoom" in parts:
        low, high = severity.zoom
        ends = (low, high) if rng.random() < 0.5 else (high, low)
        camera[:, 2] = ends[0] * (ends[1] / ends[0]) ** _sweep(rng, frames)
    if "shake" in parts:
        strength = rng.uniform(*severity.shake)
        noise = np.random.default_rng(rng.getrandbits(32)).standard_normal((frames, 3))
        camera[:, :2] += strength * noise[:, :2]
        camera[:, 3] += severity.roll * strength / severity.shake[1] * noise[:, 2] / 2
    return camera


def sample_gains(rng: Random, frames: int, severity: Severity) -> np.ndarray:
    """(T, 3) factors of red, green and blue: all 1, or a light that drifts, swells or is switched."""
    if rng.random() >= severity.light_share:
        return np.ones((frames, 3))
    low, high = severity.light_gain
    start, end = rng.uniform(low, high), rng.uniform(low, high)
    draw, steps = rng.random(), np.arange(frames)
    if draw < 0.5:
        share = np.linspace(0, 1, frames)
    elif draw < 0.8:
        share = (1 - np.cos(steps * rng.uniform(0.15, 0.5))) / 2
    else:
        share = (steps >= rng.uniform(0.25, 0.75) * frames).astype(float)
    warmth = rng.uniform(-0.06, 0.06) * share
    return (start + (end - start) * share)[:, None] * np.column_stack([1 + warmth, np.ones(frames), 1 - warmth])


def _sweep(rng: Random, frames: int) -> np.ndarray:
    """(T,) from 0 to 1, or there and back: at an even pace, or gathering and losing speed."""
    share = np.linspace(0, 1, frames)
    draw = rng.random()
    if draw < 0.35:
        return share
    if draw < 0.7:
        return (1 - np.cos(math.pi * share)) / 2
    return (1 - np.cos(2 * math.pi * share)) / 2


def _waves(rng: Random, frames: int) -> np.ndarray:
    """(T,) three sines of any pace and phase, added."""
    steps, total = np.arange(frames), np.zeros(frames)
    for _ in range(3):
        total += np.sin(rng.uniform(0.15, 1.0) * steps + rng.uniform(0, 2 * math.pi))
    return total
