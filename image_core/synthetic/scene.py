"""A scene: what is there and where, in units that know no pixels. Rendering and language both read it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from image_core.synthetic.colours import Tint
from image_core.synthetic.shapes import OUTLINES, Wave, coverage, placed

FILLS = ("plain", "striped", "dotted", "checkered", "shaded")
REFERENCE_PX = 64
"""Short side of the grid on which occlusion is decided, whatever the size of the image."""


@dataclass(frozen=True)
class SceneObject:
    """One object. Lengths are in units of the image's short side; y runs down."""

    id: int
    shape: str
    colour: str
    fill: str
    x: float
    y: float
    size: float  # length of the shape's longer side
    rotation: float  # radians, clockwise
    tint: Tint  # its colour, RGB from 0 to 255
    accent: Tint  # its pattern's second tone, RGB from 0 to 255
    pattern_angle: float  # radians, against the object
    pattern_scale: float  # periods across the object
    pattern_phase: float  # in [0, 1)
    wave: Wave | None = None  # a bend of outline and pattern, for videos alone

    @property
    def hull_area(self) -> float:
        """Area of the convex hull: what a person takes for the size of a ring or a crescent."""
        return self.size**2 * OUTLINES[self.shape].hull_area

    def contours(self, px: float) -> list[np.ndarray]:
        """Its outline in pixels of an image whose short side is `px`."""
        return placed(self.shape, self.x * px, self.y * px, self.size * px, self.rotation, self.wave)


@dataclass(frozen=True)
class Light:
    """Where shadows fall."""

    offset: tuple[float, float]  # (x, y) in units of the short side
    blur: float  # in units of the short side
    strength: float  # in [0, 1]; 0: no shadows


@dataclass(frozen=True)
class Backdrop:
    """A procedural background: the kind of texture, its palette (RGB, 0 to 255), its seed, its scale and its angle."""

    kind: str
    palette: tuple[Tint, ...]
    seed: int
    scale: float
    angle: float


@dataclass(frozen=True)
class Scene:
    """Objects from back to front on a ground of `width` x `height` (units of the short side: one of them is 1)."""

    objects: tuple[SceneObject, ...]
    width: float
    height: float
    light: Light
    backdrop: Backdrop

    @cached_property
    def by_id(self) -> dict[int, SceneObject]:
        """Object id -> object."""
        return {o.id: o for o in self.objects}

    @cached_property
    def depth(self) -> dict[int, int]:
        """Object id -> its position from back to front."""
        return {o.id: i for i, o in enumerate(self.objects)}

    @cached_property
    def _reference_masks(self) -> tuple[np.ndarray, np.ndarray]:
        """(n, cells) float32: whole and visible extents on the reference grid, back to front."""
        size = round(self.height * REFERENCE_PX), round(self.width * REFERENCE_PX)
        whole = np.zeros((len(self.objects), *size), np.float32)
        for mask, item in zip(whole, self.objects, strict=True):
            patch = coverage(item.contours(REFERENCE_PX), size)
            if patch is not None:
                rows, columns, alpha = patch
                mask[rows, columns] = alpha > 127
        free = np.ones(size, np.float32)
        visible = np.empty_like(whole)
        for i in range(len(whole) - 1, -1, -1):
            visible[i] = whole[i] * free
            free -= visible[i]
        return whole.reshape(len(whole), -1), visible.reshape(len(whole), -1)

    @cached_property
    def visible_share(self) -> np.ndarray:
        """(n,) share of each object's extent that no other object hides, back to front."""
        whole, visible = self._reference_masks
        return visible.sum(1) / np.maximum(whole.sum(1), 1.0)

    @cached_property
    def _hidden(self) -> np.ndarray:
        """(n, n): share of the smaller object's area where j is seen to lie over i."""
        whole, visible = self._reference_masks
        area = np.maximum(whole.sum(1), 1.0)
        return np.triu(whole @ visible.T, 1) / np.minimum(area[:, None], area[None, :])

    def hidden_by(self, lower_id: int, upper_id: int) -> float:
        """Where the second object is seen to cover the first, as a share of the smaller one's area; 0 = nowhere."""
        return float(self._hidden[self.depth[lower_id], self.depth[upper_id]])
