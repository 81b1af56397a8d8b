"""The demonstration's clip: a handful of synthetic objects that move along lines, and what is asked of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from image_core.files import make_folder
from image_core.synthetic.render import render
from image_core.synthetic.scene import Backdrop, Light, Scene, SceneObject
from rvos.video.writer import VideoWriter

SIZE = (288, 512)
RATE = 20.0
FRAME_COUNT = 60
EXPRESSIONS = ("the red circle", "the blue star", "the orange heart")
"""Of the last one there is none in the clip."""


@dataclass(frozen=True)
class LinearMotion:
    """An object; how far it moves (x, y, units of the short side) and turns (radians) from first frame to last."""

    start: SceneObject
    path: tuple[float, float]
    turn: float

    def at(self, share: float) -> SceneObject:
        """The object when `share` in [0, 1] of the clip has passed."""
        return replace(
            self.start,
            x=self.start.x + share * self.path[0],
            y=self.start.y + share * self.path[1],
            rotation=self.start.rotation + share * self.turn,
        )


def _object(
    index: int, name: str, fill: str, at: tuple[float, float], size: float, tint: tuple[int, int, int]
) -> SceneObject:
    colour, shape = name.split()
    return SceneObject(
        id=index,
        shape=shape,
        colour=colour,
        fill=fill,
        x=at[0],
        y=at[1],
        size=size,
        rotation=0.0,
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        accent=(246.0, 246.0, 242.0),
        pattern_angle=0.5,
        pattern_scale=4.5,
        pattern_phase=0.0,
    )


_OBJECTS = (
    LinearMotion(_object(0, "green square", "plain", (0.30, 0.72), 0.27, (30, 140, 60)), (0.15, -0.05), 0.2),
    LinearMotion(_object(1, "yellow triangle", "plain", (1.45, 0.25), 0.30, (250, 236, 20)), (-0.12, 0.08), 0.5),
    LinearMotion(_object(2, "red circle", "plain", (0.25, 0.28), 0.28, (215, 15, 12)), (1.15, 0.30), 0.0),
    LinearMotion(_object(3, "blue star", "striped", (1.50, 0.72), 0.36, (25, 70, 225)), (-0.95, 0.04), math.pi / 3),
)
_LIGHT = Light(offset=(0.016, 0.018), blur=0.01, strength=0.4)
_BACKDROP = Backdrop("noise", ((186.0, 190.0, 196.0), (214.0, 212.0, 204.0)), seed=7, scale=0.2, angle=0.4)


def draw_frame(index: int) -> np.ndarray:
    """Frame `index` of the clip, (H, W, 3) uint8 RGB."""
    share = index / (FRAME_COUNT - 1)
    width = SIZE[1] / SIZE[0]
    scene = Scene(tuple(moving.at(share) for moving in _OBJECTS), width, 1.0, _LIGHT, _BACKDROP)
    return render(scene, SIZE)[0]


def write_clip(path: Path) -> None:
    """The clip as a video file, unless it is there already: a run that is continued must find the same bytes.

    Raises `OutputError` when it cannot be written.
    """
    if path.is_file():
        return
    make_folder(path.parent)
    with VideoWriter(path, SIZE, rate=RATE) as writer:
        for index in range(FRAME_COUNT):
            writer.write(draw_frame(index), index / RATE)
