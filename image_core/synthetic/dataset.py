"""The stream of synthetic samples: images, expressions and masks, generated on access."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from image_core.errors import ConfigError
from image_core.sample import ImageSample
from image_core.synthetic.expressions import Expression, sample_expressions
from image_core.synthetic.recipes import FAMILIES
from image_core.synthetic.render import render
from image_core.synthetic.sampling import DEFAULT_STYLE, SceneStyle, sample_scene
from image_core.synthetic.scene import Scene
from image_core.synthetic.splits import COMPOSITIONAL, DEFAULT_LENGTHS, check_split, scene_seed

_MIN_PX = 32


@dataclass(frozen=True)
class DrawnScene:
    """A scene, its expressions, and its image."""

    scene: Scene
    expressions: tuple[Expression, ...]
    image: np.ndarray  # (H, W, 3) uint8 RGB
    visible: np.ndarray  # (n, H, W) bool, visible pixels of each object, in the order of `scene.objects`

    def mask(self, expression: Expression) -> np.ndarray:
        """(H, W) bool: the visible pixels of all targets of one expression."""
        depths = [self.scene.depth[i] for i in expression.targets]
        return np.any(self.visible[depths], axis=0)


class SyntheticImages:
    """A map-style data set: `[i]` is an `ImageSample` and a pure function of (split, seed, i).

    split: train, val, test or test_compositional; seed: folded into the split's own range of scenes; size: (height,
    width) in pixels, whose ratio changes the content and nothing else of it does; length: of the set (default: 10^9 for
    train, 1000 for the others); families: the kinds of expression to draw from; style: how many objects, and
    how large.

    Raises `UnknownNameError` for another split, `ConfigError` for a size or a count that is too small.
    """

    def __init__(
        self,
        split: str = "train",
        seed: int = 0,
        size: tuple[int, int] = (192, 192),
        expressions_per_image: int = 4,
        length: int | None = None,
        families: tuple[str, ...] = FAMILIES,
        style: SceneStyle = DEFAULT_STYLE,
    ) -> None:
        check_split(split)
        if min(size) < _MIN_PX:
            raise ConfigError(
                f"size: expected at least {_MIN_PX} px either way, got {size[0]} x {size[1]} px: enlarge it"
            )
        if expressions_per_image < 1:
            raise ConfigError(f"expressions_per_image: expected 1 or more, got {expressions_per_image}: raise it")
        self.split = split
        self.seed = seed
        self.size = size
        self.expressions_per_image = expressions_per_image
        self.length = DEFAULT_LENGTHS[split] if length is None else length
        self.families = families
        self.style = style

    def __len__(self) -> int:
        return self.length

    def describe(self, index: int) -> tuple[Scene, tuple[Expression, ...]]:
        """The scene of sample `index` and its expressions, without drawing. Raises `IndexError` past the end."""
        if not 0 <= index < self.length:
            raise IndexError(f"sample {index} of {self.length}")
        rng = Random(scene_seed(self.split, self.seed, index))
        short = min(self.size)
        compositional = self.split == COMPOSITIONAL

        def new_scene() -> Scene:
            return sample_scene(rng, self.size[1] / short, self.size[0] / short, compositional, self.style)

        scene = new_scene()
        return scene, sample_expressions(
            scene, new_scene, rng, self.expressions_per_image, compositional, self.families
        )

    def draw(self, index: int) -> DrawnScene:
        """Sample `index` with all that is known of it. Raises `IndexError` past the end."""
        scene, expressions = self.describe(index)
        return DrawnScene(scene, expressions, *render(scene, self.size))

    def __getitem__(self, index: int) -> ImageSample:
        drawn = self.draw(index)
        return ImageSample(
            image=drawn.image,
            expressions=tuple(e.text for e in drawn.expressions),
            masks=np.stack([drawn.mask(e) for e in drawn.expressions]),
            sample_id=f"{self.split}_{self.seed}_{index}",
            families=tuple(e.family for e in drawn.expressions),
        )
