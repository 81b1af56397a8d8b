"""The way of a track through the video, with the motion of the camera taken out of it.

A way is integrated from frame to frame: how far the track moved beyond what the camera did. So left is the picture's
left on every frame, a pan over something that stands still is no motion of it, and over a gap, or across a cut, nothing
is made up. Memory is bounded: of a long way every second sample goes, and samples are taken half as often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from rvos.tracking.carrying.appearance import work_flow
from rvos.tracking.carrying.box import box_of, core_of
from rvos.tracking.motion.camera_motion import camera_motion, moved_point, roll_of, zoom_of
from rvos.view.frame_view import View

MOST_SAMPLES = 192
"""Samples of a way that are kept: two of them a frame apart at first, and further in a long video."""
TIME, X, Y, SIZE, ANGLE, SEEN, LEFT, TOP, RIGHT, BOTTOM, SCENE = range(11)
"""Columns of a sample: index of the frame; how far it has moved beyond the camera, in short sides of the picture; the
logarithm of its size (square root of the area) in them, zoom taken out; by how much it has turned round itself, in
radians; 1 where it was seen; its box in shares of the picture's width and height; the first frame of the scene."""
_EDGE_PX = 2
LEAST_SHAPE = 0.04
"""Spread of a rim, in sizes, below which a thing is too round to tell whether it turns."""
_BINS = 72
"""Directions in which a rim is measured."""
_MOST_TURN = 0.4
"""Radians that anything turns between two frames, at most."""


def _no_samples() -> np.ndarray:
    return np.zeros((0, 11), np.float32)


@dataclass(frozen=True)
class Trajectory:
    """The way of one track so far."""

    #: (N, 11) float32, see `TIME`; the last one is of the last frame.
    samples: np.ndarray = field(default_factory=_no_samples)
    #: Frames between two samples.
    stride: int = 1
    #: (x, y) at work size, where it was last, moved on with the camera; None before it was seen, and after a cut.
    here: tuple[float, float] | None = None
    #: (72,) float32, how far its rim is in each direction, in sizes; None where it was not seen.
    rim: np.ndarray | None = None
    #: By how many times everything has become larger since the beginning.
    zoom: float = 1.0

    def moved_on(self, view: View, probs: np.ndarray | None, scene: int) -> Trajectory:
        """After one more frame. probs: (h, w) at work size, where it is; None where it is lost; scene: the index of its
        first frame."""
        camera = view.once(camera_motion)
        here = None if self.here is None or view.cut else moved_point(camera, *self.here)
        zoom = self.zoom * zoom_of(camera)
        before = self.samples[-1] if len(self.samples) else np.zeros(11, np.float32)
        row = before.copy()
        row[TIME], row[SCENE], row[SEEN] = view.frame.index, scene, 0.0
        if probs is None:
            return replace(self._with(row), here=here, rim=None, zoom=zoom)
        core = core_of(probs)
        rows, columns = np.nonzero(core)
        centre = float(columns.mean()), float(rows.mean())
        height, width = core.shape
        box, short = box_of(core), min(core.shape)
        if here is not None:
            step = (centre[0] - here[0], centre[1] - here[1])
            if before[SEEN]:
                cut_off = (
                    box.left <= _EDGE_PX or box.right >= width - _EDGE_PX,
                    box.top <= _EDGE_PX or box.bottom >= height - _EDGE_PX,
                )
                step = _step_of(view, core, camera, step, cut_off)
            row[X] += step[0] / short
            row[Y] += step[1] / short
        rim = _rim(core, centre)
        if self.rim is not None and not view.cut:
            row[ANGLE] += _turn(self.rim, rim) - roll_of(camera)
        row[SIZE] = math.log(math.sqrt(len(rows)) / short / zoom)
        row[SEEN] = 1.0
        row[LEFT : BOTTOM + 1] = box.left / width, box.top / height, box.right / width, box.bottom / height
        return replace(self._with(row), here=centre, rim=rim, zoom=zoom)

    def _with(self, row: np.ndarray) -> Trajectory:
        """The way with one more sample, which takes the place of the last where that lies between two strides."""
        kept = self.samples
        if len(kept) and int(kept[-1, TIME]) % self.stride:
            kept = kept[:-1]
        samples, stride = np.concatenate([kept, row[None]]), self.stride
        if len(samples) > MOST_SAMPLES:
            stride *= 2
            on_stride = samples[:, TIME].astype(int) % stride == 0
            on_stride[-1] = True
            samples = samples[on_stride]
        return replace(self, samples=samples, stride=stride)


def _step_of(
    view: View, core: np.ndarray, camera: np.ndarray, step: tuple[float, float], cut_off: tuple[bool, bool]
) -> tuple[float, float]:
    """(x, y) in pixels beyond the camera. Where the picture's edge cuts something off, its centre is no measure of how
    far it moved, but the flow in it is."""
    if not any(cut_off):
        return step
    rows, columns = np.nonzero(core)
    flow = view.once(work_flow)[rows, columns]
    centre = np.array([columns.mean(), rows.mean()])
    before = centre + np.median(flow, axis=0)
    x, y = centre - moved_point(camera, *before)
    return (float(x) if cut_off[0] else step[0]), (float(y) if cut_off[1] else step[1])


def _rim(core: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """(72,) float32: how far (h, w) bool reaches from its centre in each direction, in its sizes."""
    x, y = centre
    reach = 2.0 * math.sqrt(np.count_nonzero(core)) + 2
    size = (32, _BINS)
    flags = cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
    polar = cv2.warpPolar(core.astype(np.float32), size, (x, y), reach, flags)
    return polar.mean(axis=1) * reach / math.sqrt(np.count_nonzero(core))


def _turn(before: np.ndarray, now: np.ndarray) -> float:
    """Radians by which one rim is another one turned, clockwise as seen; 0 where neither has a shape to tell by."""
    one, other = before - before.mean(), now - now.mean()
    if min(one.std(), other.std()) < LEAST_SHAPE:
        return 0.0
    matched = np.fft.irfft(np.conj(np.fft.rfft(one)) * np.fft.rfft(other), _BINS)
    most = int(_MOST_TURN / (2 * math.pi) * _BINS)
    shifts = np.arange(-most, most + 1)
    values = matched[shifts]
    best = int(np.argmax(values))
    offset = 0.0
    if 0 < best < len(values) - 1:
        left, middle, right = values[best - 1 : best + 2]
        bend = left - 2 * middle + right
        offset = 0.0 if bend >= 0 else 0.5 * (left - right) / bend
    return float((shifts[best] + offset) * 2 * math.pi / _BINS)
