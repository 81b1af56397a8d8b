"""Samples of any size -> one batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from image_core.preprocessing import Preprocessing, pad_to
from image_core.sample import ImageSample
from image_core.types import ImageBatch


def collate(
    samples: Sequence[ImageSample], preprocessing: Preprocessing, size: tuple[int, int] | None = None
) -> ImageBatch:
    """F samples -> F images and the N expressions of them all, sample by sample.

    Where the prepared sizes differ, the smaller ones get zeros at the bottom and the right up to `size` (height,
    width), by default the largest of the batch; `valid_px` keeps what is image. Raises `ValueError` for no samples
    and for a `size` that is smaller than a sample or does not divide by `preprocessing.multiple`.
    """
    if not samples:
        raise ValueError("collate: expected at least one sample, got none")
    prepared = [preprocessing.prepare(sample.image) for sample in samples]
    masks = [preprocessing.prepare_masks(sample.masks) for sample in samples]
    if size is None:
        size = max(p.shape[1] for p, _ in prepared), max(p.shape[2] for p, _ in prepared)
    elif any(side % preprocessing.multiple for side in size):
        raise ValueError(f"collate: size: expected sides divisible by {preprocessing.multiple}, got {size}")
    return ImageBatch(
        images=torch.stack([pad_to(image, size) for image, _ in prepared]),
        valid_px=torch.tensor([valid for _, valid in prepared]),
        expressions=tuple(e for sample in samples for e in sample.expressions),
        frame_index=torch.tensor([f for f, sample in enumerate(samples) for _ in sample.expressions], dtype=torch.long),
        masks=torch.cat([pad_to(mask, size) for mask in masks]),
        families=tuple(family for sample in samples for family in sample.families),
    )
