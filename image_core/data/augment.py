"""Augmentation that keeps every expression true: a transformation also changes the expressions, or is not done."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from image_core.data.words import depends_on_place, mirror_words
from image_core.errors import ConfigError
from image_core.geometry.masks import bounding_box
from image_core.sample import ImageSample

COLOUR_LIMIT = 0.1
"""Where all three factors are at this limit basic colours keep their names; at 0.15 white turns grey, orange brown."""


@dataclass(frozen=True)
class Augmentation:
    """Probabilities in [0, 1] and strengths; all zero changes nothing. Raises `ConfigError`."""

    flip: float = 0.5  # probability of a mirror
    # x: multiplied by a factor from [1 - x, 1 + x], at most 0.1 so that basic colour names stay true
    brightness: float = 0.1
    contrast: float = 0.1  # as brightness
    saturation: float = 0.1  # as brightness; hue is never touched
    crop: float = 0.25  # probability of a crop
    crop_min: float = 0.75  # smallest share of each side that a crop keeps, in (0, 1]

    def __post_init__(self) -> None:
        limits = {"flip": 1.0, "crop": 1.0, **dict.fromkeys(("brightness", "contrast", "saturation"), COLOUR_LIMIT)}
        for name, most in limits.items():
            if not 0 <= getattr(self, name) <= most:
                raise ConfigError(f"augmentation.{name}: expected a number from 0 to {most}, got {getattr(self, name)}")
        if not 0 < self.crop_min <= 1:
            raise ConfigError(f"augmentation.crop_min: expected a number above 0 and up to 1, got {self.crop_min}")


def augment(sample: ImageSample, rng: np.random.Generator, settings: Augmentation) -> ImageSample:
    """Crop, mirror, colours, in this order, each by its own draw from `rng`. The sample given is left as it is."""
    if rng.random() < settings.crop:
        sample = random_crop(sample, rng, settings.crop_min)
    if rng.random() < settings.flip:
        sample = mirror(sample)
    factors = [1 + rng.uniform(-x, x) for x in (settings.brightness, settings.contrast, settings.saturation)]
    if factors == [1.0, 1.0, 1.0]:
        return sample
    return replace(sample, image=jitter_colours(sample.image, *factors))


def mirror(sample: ImageSample) -> ImageSample:
    """The image mirrored left to right and its expressions with it; unchanged when one has no known mirror."""
    mirrored = tuple(text for expression in sample.expressions if (text := mirror_words(expression)) is not None)
    if len(mirrored) != len(sample.expressions):
        return sample
    return replace(
        sample,
        image=np.ascontiguousarray(sample.image[:, ::-1]),
        masks=np.ascontiguousarray(sample.masks[:, :, ::-1]),
        expressions=mirrored,
    )


def random_crop(sample: ImageSample, rng: np.random.Generator, min_share: float) -> ImageSample:
    """A window of the image's own shape, at least `min_share` of each side, with every target of the sample whole in
    it.

    Unchanged when an expression speaks of place, order, count or size (`depends_on_place`). What is cut away can only
    be something that no expression of the sample means or names a relation to.
    """
    if any(depends_on_place(expression) for expression in sample.expressions):
        return sample
    height, width = sample.image.shape[:2]
    box = bounding_box(np.logical_or.reduce(sample.masks, axis=0)) or (width, height, 0, 0)
    # the window must hold the targets, so a target as wide as the image leaves nothing to cut
    needed = max((box[2] - box[0]) / width, (box[3] - box[1]) / height, min_share)
    share = rng.uniform(needed, 1.0)
    h, w = min(height, int(np.ceil(share * height))), min(width, int(np.ceil(share * width)))
    y = int(rng.integers(max(0, box[3] - h), min(box[1], height - h) + 1))
    x = int(rng.integers(max(0, box[2] - w), min(box[0], width - w) + 1))
    return replace(
        sample,
        image=np.ascontiguousarray(sample.image[y : y + h, x : x + w]),
        masks=np.ascontiguousarray(sample.masks[:, y : y + h, x : x + w]),
    )


def jitter_colours(image: np.ndarray, brightness: float, contrast: float, saturation: float) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> the same form. Value x brightness, then contrast about the image's mean value, and
    saturation, all in HSV: multiplying RGB would clip the strongest channel and turn pink into purple.
    """
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    levels = np.arange(256.0)
    pivot = float(hsv[..., 2].mean()) * brightness
    value = (levels * brightness - pivot) * contrast + pivot
    tables = np.stack([levels, levels * saturation, value], axis=-1)
    return cv2.cvtColor(cv2.LUT(hsv, np.clip(np.rint(tables), 0, 255).astype(np.uint8)[None]), cv2.COLOR_HSV2RGB_FULL)
