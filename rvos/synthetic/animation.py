"""Animations: objects, a camera and a light that change in time, and which objects are visible on each frame.

Times are in frames and need not be whole. Lengths are in units of the frame's short side; without camera motion the
frame shows the world from (0, 0) to (width, 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from image_core.synthetic.scene import Backdrop, Light, Scene, SceneObject
from image_core.synthetic.shapes import OUTLINES, coverage

X, Y, SIZE, ROTATION, PATTERN_TURN, WAVE_PHASE = range(6)
"""Columns of a moving object's poses."""
CAMERA_X, CAMERA_Y, ZOOM, ROLL = range(4)
"""Columns of the camera's poses: the point of the world in the middle of the frame, magnification, radians."""

REFERENCE_PX = 96
"""Short side of the grid on which it is decided what is visible, whatever the size of the frames."""


@dataclass(frozen=True)
class MovingObject:
    """An object and its poses on all frames. Raises `ValueError` for poses that are not finite (T, 6)."""

    #: Its appearance.
    item: SceneObject
    #: (T, 6): x, y, size, rotation, turn of the pattern, phase of the bend.
    poses: np.ndarray

    def __post_init__(self) -> None:
        if self.poses.ndim != 2 or self.poses.shape[1] != 6 or not np.isfinite(self.poses).all():
            raise ValueError(f"MovingObject.poses: expected finite (T, 6), got {self.poses.shape}")

    def at(self, time: float) -> SceneObject:
        """The object in the world at a time; before the first pose and after the last it stands still."""
        x, y, size, rotation, turn, phase = _between(self.poses, time)
        wave = self.item.wave
        return replace(
            self.item,
            x=x,
            y=y,
            size=size,
            rotation=rotation,
            pattern_angle=self.item.pattern_angle + turn,
            wave=None if wave is None else replace(wave, phase=wave.phase + phase),
        )


@dataclass(frozen=True)
class Animation:
    """The description that a video is rendered from. Raises `ValueError` where the lengths differ."""

    #: From back to front.
    objects: tuple[MovingObject, ...]
    #: Of the frame, in units of its height.
    width: float
    #: (T, 4): see `CAMERA_X`.
    camera: np.ndarray
    light: Light
    backdrop: Backdrop
    #: (T, 3) factors of red, green and blue.
    gains: np.ndarray
    #: How long a frame is exposed, in frames; 0 = no motion blur.
    shutter: float
    #: Of the round trip that each frame goes through, None = none.
    jpeg_quality: int | None
    #: How many times wider and higher than the frame the background is, so that the camera can move.
    ground: float
    #: Frames per second.
    rate: float
    #: Least share of the frame that a visible object covers.
    least_visible: float

    def __post_init__(self) -> None:
        lengths = {len(self.camera), len(self.gains), *(len(a.poses) for a in self.objects)}
        if len(lengths) != 1:
            raise ValueError(f"Animation: expected tracks of one length, got {sorted(lengths)} frames")

    @property
    def frame_count(self) -> int:
        """T."""
        return len(self.camera)

    def scene_at(self, time: float) -> Scene:
        """All objects in frame coordinates, including hidden ones and those outside the frame."""
        view = self.view_at(time)
        objects = tuple(self._in_view(moving.at(time), view) for moving in self.objects)
        return Scene(objects, self.width, 1.0, self.light, self.backdrop)

    def view_at(self, time: float) -> tuple[float, ...]:
        """The camera's pose: point in the middle of the frame (x, y), zoom, roll."""
        return _between(self.camera, time)

    def _in_view(self, item: SceneObject, view: tuple[float, ...]) -> SceneObject:
        camera_x, camera_y, zoom, roll = view
        dx, dy = (item.x - camera_x) * zoom, (item.y - camera_y) * zoom
        c, s = math.cos(roll), math.sin(roll)
        return replace(
            item,
            x=self.width / 2 + c * dx - s * dy,
            y=0.5 + s * dx + c * dy,
            size=item.size * zoom,
            rotation=item.rotation + roll,
        )

    @cached_property
    def scenes(self) -> tuple[Scene, ...]:
        """`scene_at` of every frame."""
        return tuple(self.scene_at(t) for t in range(self.frame_count))

    @cached_property
    def visible_share(self) -> np.ndarray:
        """(T, n) share of the frame that each object shows, in the order of `objects`."""
        grid = REFERENCE_PX, round(self.width * REFERENCE_PX)
        shares = np.zeros((self.frame_count, len(self.objects)))
        for row, scene in zip(shares, self.scenes, strict=True):
            owner = np.zeros(grid, np.uint8)
            for i, item in enumerate(scene.objects, 1):
                patch = coverage(item.contours(REFERENCE_PX), grid)
                if patch is not None:
                    owner[patch[0], patch[1]][patch[2] >= 128] = i
            row[:] = np.bincount(owner.ravel(), minlength=len(self.objects) + 1)[1:]
        return shares / (grid[0] * grid[1])

    @cached_property
    def shown_part(self) -> np.ndarray:
        """(T, n) how much of its own area each object shows, in about [0, 1]."""
        areas = [[o.size**2 * _unit_area(o.shape) for o in scene.objects] for scene in self.scenes]
        return self.visible_share * self.width / np.array(areas)

    @cached_property
    def visible(self) -> np.ndarray:
        """(T, n) bool: whether each object is visible, by `least_visible`."""
        return self.visible_share >= self.least_visible

    @cached_property
    def visible_scenes(self) -> tuple[Scene, ...]:
        """For every frame, the scene of the visible objects, to which an expression can refer."""
        return tuple(
            replace(scene, objects=tuple(o for o, seen in zip(scene.objects, row, strict=True) if seen))
            for scene, row in zip(self.scenes, self.visible, strict=True)
        )

    @cached_property
    def position(self) -> dict[int, int]:
        """Object id -> its position in `objects`."""
        return {moving.item.id: i for i, moving in enumerate(self.objects)}

    def visible_of(self, object_id: int) -> np.ndarray:
        """(T,) bool: where one object is visible."""
        return self.visible[:, self.position[object_id]]


def _between(poses: np.ndarray, time: float) -> tuple[float, ...]:
    """The row of `poses` at a time, linear between frames."""
    last = len(poses) - 1
    first = min(max(math.floor(time), 0), last)
    share = min(max(time - first, 0.0), 1.0)
    row = poses[first] if share == 0 else (1 - share) * poses[first] + share * poses[min(first + 1, last)]
    return tuple(row.tolist())


def _unit_area(shape: str) -> float:
    """Area of a shape of size 1, its hole taken out."""
    total = 0.0
    for sign, contour in zip((1, -1), OUTLINES[shape].contours, strict=False):
        x, y = contour[:, 0], contour[:, 1]
        total += sign * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return total
