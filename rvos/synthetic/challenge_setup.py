"""The input and output of challenge recipes: the setup, and the plans with and without the challenge."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np

from image_core.synthetic.scene import SceneObject
from image_core.synthetic.shapes import OUTLINES
from rvos.synthetic.motions import Point, frame_box, random_poses
from rvos.synthetic.object_set import ObjectSet
from rvos.synthetic.severity import Severity


@dataclass(frozen=True)
class AnimationPlan:
    """One version of an animation."""

    #: From back to front.
    order: tuple[SceneObject, ...]
    #: Object id -> (T, 6): see `animation.MovingObject`.
    poses: dict[int, np.ndarray]
    #: (T, 4), None for the usual one, which stands or sways.
    camera: np.ndarray | None = None


@dataclass(frozen=True)
class ChallengeSetup:
    """The input of a recipe."""

    rng: Random
    object_set: ObjectSet
    #: T.
    frames: int
    #: Of the frame, in units of its height.
    width: float
    severity: Severity
    #: Whether the target moves in dashes.
    fast: bool

    def extras(self) -> dict[int, np.ndarray]:
        """Poses of all but the target: ordinary motions inside the frame."""
        return {o.id: self.ordinary(o) for o in (self.object_set.lookalike, *self.object_set.others)}

    def ordinary(self, item: SceneObject, fast: bool = False) -> np.ndarray:
        """Poses of one object that moves inside the frame; one known by its size keeps it."""
        steady = item.id <= 2 and self.object_set.differs == "size"
        box = frame_box(item.size, self.width)
        if item.id <= 2 and self.object_set.differs == "place":
            box = self._own_half(item)
        return random_poses(self.rng, item, box, self.frames, self.severity, fast, steady)

    def _own_half(self, item: SceneObject) -> tuple[Point, Point]:
        """Identical twins that are told apart by where they are keep to the left and to the right."""
        (x0, y0), (x1, y1) = frame_box(item.size, self.width)
        middle = self.width / 2
        return ((x0, y0), (middle - 0.12, y1)) if item.id == 1 else ((middle + 0.12, y0), (x1, y1))

    def order(self, target_on_top: float = 0.7) -> tuple[SceneObject, ...]:
        """From back to front: any order, the target in front of all with that probability."""
        object_set = self.object_set
        if self.rng.random() < target_on_top:
            return (*self.shuffled((object_set.lookalike, *object_set.others)), object_set.target)
        return self.shuffled((object_set.target, object_set.lookalike, *object_set.others))

    def shuffled(self, items: tuple[SceneObject, ...]) -> tuple[SceneObject, ...]:
        """The items in any order."""
        return tuple(self.rng.sample(items, len(items)))


Recipe = Callable[[ChallengeSetup], tuple[AnimationPlan, AnimationPlan]]
"""Returns the plan with the challenge, and the plan without it."""


def radius_of(item: SceneObject) -> float:
    """Radius of the disc around the centre that holds the object, however it bends."""
    outline = OUTLINES[item.shape].contours[0]
    reach = float(np.hypot(outline[:, 0], outline[:, 1]).max())
    return item.size * (reach + (0.0 if item.wave is None else item.wave.amplitude))


def outside(setup: ChallengeSetup, side: str, radius: float) -> Point:
    """A point just out of the frame at one of its sides, for an object of that radius."""
    margin = radius + 0.02
    x = setup.rng.uniform(0.15, 0.85) * setup.width
    y = setup.rng.uniform(0.25, 0.75)
    points = {"left": (-margin, y), "right": (setup.width + margin, y), "top": (x, -margin), "bottom": (x, 1 + margin)}
    return points[side]


def around(setup: ChallengeSetup, start: Point, end: Point, steps: int) -> list[Point]:
    """`steps` points of a way round the frame, far enough out of it, from beside `start` to beside `end`."""
    middle = setup.width / 2, 0.5
    first, last = (math.atan2(p[1] - middle[1], p[0] - middle[0]) for p in (start, end))
    turn = (last - first + math.pi) % (2 * math.pi) - math.pi
    angles = [first + turn * i / max(1, steps - 1) for i in range(steps)]
    reach = 1.3 * math.hypot(*middle) + 0.45
    return [(middle[0] + reach * math.cos(a), middle[1] + reach * math.sin(a)) for a in angles]
