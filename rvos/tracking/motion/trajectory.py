"""The trajectory of a track through the video, relative to the camera.

It is the sum, from frame to frame, of how far the track moved beyond the motion of the camera. So left is the picture's
left on every frame, an object that stands still does not move in a pan, and gaps and cuts are not interpolated. Memory
is bounded: when a trajectory has too many samples, every second one is dropped and the stride is doubled.
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
"""Most samples of a trajectory: one on each frame at first, fewer in a long video."""
TIME, X, Y, SIZE, ANGLE, SEEN, LEFT, TOP, RIGHT, BOTTOM, SCENE = range(11)
"""Columns of a sample: index of the frame; displacement relative to the camera, x and y, in short sides of the picture;
the logarithm of its size (square root of the area, in short sides) with zoom removed; its rotation in the image plane,
in radians; 1 if it was seen; its box in shares of the picture's width and height; the first frame of the scene."""
_EDGE_PX = 2
LEAST_SHAPE = 0.04
"""Standard deviation of an outline's distances, in sizes, below which an object is too round to measure its
rotation."""
_BINS = 72
"""Directions in which the distance of an outline is measured."""
_MOST_TURN = 0.4
"""Largest rotation between two frames, in radians."""


def _no_samples() -> np.ndarray:
    return np.zeros((0, 11), np.float32)


@dataclass(frozen=True)
class Trajectory:
    """The trajectory of one track so far."""

    #: (N, 11) float32, columns as `TIME`; the last one is of the last frame.
    samples: np.ndarray = field(default_factory=_no_samples)
    #: Frames between two samples.
    stride: int = 1
    #: (x, y) at work size, its last position, moved with the camera since; None before it was seen, and after a cut.
    here: tuple[float, float] | None = None
    #: (72,) float32, the distance of its outline from its centre in each direction, in sizes; None if it was not seen.
    rim: np.ndarray | None = None
    #: The zoom of the camera since the beginning, as a factor.
    zoom: float = 1.0

    def moved_on(self, view: View, probs: np.ndarray | None, scene: int) -> Trajectory:
        """After one more frame. probs: (h, w) at work size, its mask, None while it is lost; scene: index of the first
        frame of the scene."""
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
        """With one more sample, which replaces the last one if that does not lie on the stride."""
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
    """(x, y): displacement in pixels relative to the camera. Where the picture's edge cuts something off, the centre of
    the mask is no measure of motion, and the median flow in the mask is taken."""
    if not any(cut_off):
        return step
    rows, columns = np.nonzero(core)
    flow = view.once(work_flow)[rows, columns]
    centre = np.array([columns.mean(), rows.mean()])
    before = centre + np.median(flow, axis=0)
    x, y = centre - moved_point(camera, *before)
    return (float(x) if cut_off[0] else step[0]), (float(y) if cut_off[1] else step[1])


def _rim(core: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """(72,) float32: the distance of the outline of (h, w) bool from its centre in each direction, in sizes."""
    x, y = centre
    reach = 2.0 * math.sqrt(np.count_nonzero(core)) + 2
    size = (32, _BINS)
    flags = cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
    polar = cv2.warpPolar(core.astype(np.float32), size, (x, y), reach, flags)
    return polar.mean(axis=1) * reach / math.sqrt(np.count_nonzero(core))


def _turn(before: np.ndarray, now: np.ndarray) -> float:
    """Radians by which one rim is rotated against the other, clockwise as seen; 0 if the object is too round to measure
    it."""
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
