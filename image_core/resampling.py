"""Prepares images of one size for a network, on the device that they are on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from image_core.preprocessing import Preprocessing, pad_to


def prepare_many(preprocessing: Preprocessing, images: Tensor) -> Tensor:
    """(F, H, W, 3) uint8 RGB -> (F, 3, h, w) float32 normalised, on their device: as `Preprocessing.prepare`, up to one
    grey level where rounding differs."""
    height, width = images.shape[1:3]
    content = resize_many(images.permute(0, 3, 1, 2).float(), preprocessing.content_size(height, width))
    mean, std = (_of_channels(values, images.device) for values in (preprocessing.mean, preprocessing.std))
    return pad_to((content / preprocessing.pixel_scale - mean) / std, preprocessing.target_size(height, width))


def resize_many(images: Tensor, size: tuple[int, int]) -> Tensor:
    """(F, C, H, W) float32 of whole grey levels -> the same at `size` (height, width), as `geometry.masks.resize_image`
    resizes bytes: first axes that shrink, by the mean of the area under each cell, then axes that grow, linearly;
    rounded after each of the two."""
    shrunk = min(size[0], images.shape[-2]), min(size[1], images.shape[-1])
    for goal, weights_of in ((shrunk, area_weights), (size, linear_weights)):
        if goal == tuple(images.shape[-2:]):
            continue
        down, across = (
            _on(weights_of, cells, pixels, images.device) for cells, pixels in zip(goal, images.shape[-2:], strict=True)
        )
        images = (down @ images @ across.T).round().clamp(0, 255)
    return images


def area_weights(cells: int, pixels: int) -> np.ndarray:
    """(cells, pixels) float32: the weight of each pixel in the mean of each cell, cells <= pixels."""
    edges = np.arange(cells + 1) * (pixels / cells)
    left, right = edges[:-1, None], edges[1:, None]
    pixel = np.arange(pixels)
    covered = np.clip(np.minimum(right, pixel + 1) - np.maximum(left, pixel), 0, None)
    return (covered / covered.sum(1, keepdims=True)).astype(np.float32)


def linear_weights(cells: int, pixels: int) -> np.ndarray:
    """(cells, pixels) float32: linear interpolation between pixel centres, cells >= pixels; borders are repeated."""
    centre = np.clip((np.arange(cells) + 0.5) * (pixels / cells) - 0.5, 0, pixels - 1)
    return np.clip(1 - np.abs(centre[:, None] - np.arange(pixels)), 0, None).astype(np.float32)


@lru_cache(maxsize=16)
def _on(weights_of: object, cells: int, pixels: int, device: torch.device) -> Tensor:
    """The weights of an axis on a device, copied there once."""
    assert callable(weights_of)
    return torch.from_numpy(weights_of(cells, pixels)).to(device)


@lru_cache(maxsize=16)
def _of_channels(values: tuple[float, float, float], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device)[:, None, None]
