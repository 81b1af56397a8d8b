"""The trajectory of a track through the video, relative to the camera.

It is the sum of the displacements from frame to frame, each without the motion of the camera. So left is the left of
the image on every frame, an object that stands still does not move in a pan, and gaps and cuts are not interpolated.
Memory is bounded: when a trajectory has too many samples, every second one is dropped and the stride is doubled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from rvos.tracking.carrying.appearance import work_flow
from rvos.tracking.carrying.box import box_of, core_of
from rvos.tracking.motion.camera_motion import camera_motion, roll_of, transform_point, zoom_of
from rvos.view.frame_view import View

MAX_SAMPLES = 192
"""Most samples of a trajectory: one on each frame at first, fewer in a long video."""
TIME, X, Y, SIZE, ANGLE, SEEN, LEFT, TOP, RIGHT, BOTTOM, SCENE = range(11)
"""Columns of a sample: index of the frame; displacement relative to the camera, x and y, in short sides of the image;
the logarithm of its size (square root of the area, in short sides) with zoom removed; its rotation in the image plane,
in radians; 1 if it was seen; its box in shares of the image's width and height; the first frame of the scene."""
_EDGE_PX = 2
MIN_ROUGHNESS = 0.04
"""Standard deviation of `Trajectory.outline_radii` below which an object is too round to measure its rotation."""
_BINS = 72
"""Directions in which the distance of an outline is measured."""
_MAX_ROTATION = 0.4
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
    position: tuple[float, float] | None = None
    #: (72,) float32, the distance of its outline from its centre in each direction, in sizes; None if it was not seen.
    outline_radii: np.ndarray | None = None
    #: The zoom of the camera since the beginning, as a factor.
    zoom: float = 1.0

    def updated(self, view: View, probs: np.ndarray | None, scene: int) -> Trajectory:
        """After one more frame. probs: (h, w) at work size, its mask, None while it is lost; scene: index of the first
        frame of the scene."""
        camera = view.once(camera_motion)
        position = None if self.position is None or view.cut else transform_point(camera, *self.position)
        zoom = self.zoom * zoom_of(camera)
        before = self.samples[-1] if len(self.samples) else np.zeros(11, np.float32)
        row = before.copy()
        row[TIME], row[SCENE], row[SEEN] = view.frame.index, scene, 0.0
        if probs is None:
            return replace(self._append(row), position=position, outline_radii=None, zoom=zoom)
        core = core_of(probs)
        rows, columns = np.nonzero(core)
        centre = float(columns.mean()), float(rows.mean())
        height, width = core.shape
        box, short = box_of(core), min(core.shape)
        if position is not None:
            step = (centre[0] - position[0], centre[1] - position[1])
            if before[SEEN]:
                cut_off = (
                    box.left <= _EDGE_PX or box.right >= width - _EDGE_PX,
                    box.top <= _EDGE_PX or box.bottom >= height - _EDGE_PX,
                )
                step = _displacement(view, core, camera, step, cut_off)
            row[X] += step[0] / short
            row[Y] += step[1] / short
        radii = _outline_radii(core, centre)
        if self.outline_radii is not None and not view.cut:
            row[ANGLE] += _rotation_between(self.outline_radii, radii) - roll_of(camera)
        row[SIZE] = math.log(math.sqrt(len(rows)) / short / zoom)
        row[SEEN] = 1.0
        row[LEFT : BOTTOM + 1] = box.left / width, box.top / height, box.right / width, box.bottom / height
        return replace(self._append(row), position=centre, outline_radii=radii, zoom=zoom)

    def _append(self, row: np.ndarray) -> Trajectory:
        """With one more sample, which replaces the last one if that does not lie on the stride."""
        kept = self.samples
        if len(kept) and int(kept[-1, TIME]) % self.stride:
            kept = kept[:-1]
        samples, stride = np.concatenate([kept, row[None]]), self.stride
        if len(samples) > MAX_SAMPLES:
            stride *= 2
            on_stride = samples[:, TIME].astype(int) % stride == 0
            on_stride[-1] = True
            samples = samples[on_stride]
        return replace(self, samples=samples, stride=stride)


def _displacement(
    view: View, core: np.ndarray, camera: np.ndarray, step: tuple[float, float], cut_off: tuple[bool, bool]
) -> tuple[float, float]:
    """(x, y): displacement in pixels relative to the camera. Along an axis on which the edge of the image crops the
    object, the median flow in the mask is used, since the centre of a cropped mask does not move with the object."""
    if not any(cut_off):
        return step
    rows, columns = np.nonzero(core)
    flow = view.once(work_flow)[rows, columns]
    centre = np.array([columns.mean(), rows.mean()])
    before = centre + np.median(flow, axis=0)
    x, y = centre - transform_point(camera, *before)
    return (float(x) if cut_off[0] else step[0]), (float(y) if cut_off[1] else step[1])


def _outline_radii(core: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """(72,) float32: the distance of the outline of (h, w) bool from its centre in each direction, in sizes."""
    x, y = centre
    reach = 2.0 * math.sqrt(np.count_nonzero(core)) + 2
    size = (32, _BINS)
    flags = cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
    polar = cv2.warpPolar(core.astype(np.float32), size, (x, y), reach, flags)
    return polar.mean(axis=1) * reach / math.sqrt(np.count_nonzero(core))


def _rotation_between(before: np.ndarray, now: np.ndarray) -> float:
    """Radians from one set of outline radii to the other, clockwise as seen; 0 if the object is too round to measure
    its rotation."""
    one, other = before - before.mean(), now - now.mean()
    if min(one.std(), other.std()) < MIN_ROUGHNESS:
        return 0.0
    matched = np.fft.irfft(np.conj(np.fft.rfft(one)) * np.fft.rfft(other), _BINS)
    most = int(_MAX_ROTATION / (2 * math.pi) * _BINS)
    shifts = np.arange(-most, most + 1)
    values = matched[shifts]
    best = int(np.argmax(values))
    offset = 0.0
    if 0 < best < len(values) - 1:
        left, middle, right = values[best - 1 : best + 2]
        bend = left - 2 * middle + right
        offset = 0.0 if bend >= 0 else 0.5 * (left - right) / bend
    return float((shifts[best] + offset) * 2 * math.pi / _BINS)
