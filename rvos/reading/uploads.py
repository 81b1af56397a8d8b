"""Copies frames to the device that a network computes on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from image_core.preprocessing import Preprocessing
from image_core.resampling import prepare_many

_RESIZED_AT_ONCE = 8
"""Frames that are on the device as float at full size at a time: 40 of 4K would be 4 GB."""


class Uploads:
    """Prepares the frames of one video for a network. All have one size, which `View` checks.

    On a CPU frames are prepared one by one, as all pictures are. Elsewhere the frames of a chunk are copied at once, as
    they were decoded, from one of two pinned buffers in turn: one is filled while the other is copied. The result is
    that of a CPU, up to one grey level where rounding goes the other way.
    """

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self._preprocessing = preprocessing
        self._device = device
        self._ring: list[tuple[Tensor, torch.cuda.Event]] = []
        self._turn = 0
        self._constants: dict[tuple[tuple[int, int], ...], Tensor] = {}

    def prepared(self, images: Sequence[np.ndarray]) -> Tensor:
        """F pictures (H, W, 3) uint8 RGB -> (F, 3, h, w) float32 on the device."""
        if self._device.type != "cuda":
            made = torch.stack([self._preprocessing.prepare(image)[0] for image in images])
            return made.to(self._device)
        some = self._crossed(images).split(_RESIZED_AT_ONCE)
        return torch.cat([prepare_many(self._preprocessing, part) for part in some])

    def on_device(self, sizes: tuple[tuple[int, int], ...]) -> Tensor:
        """Sizes as (F, 2) long on the device, copied there once."""
        if sizes not in self._constants:
            self._constants[sizes] = torch.tensor(sizes, device=self._device)
        return self._constants[sizes]

    def _crossed(self, images: Sequence[np.ndarray]) -> Tensor:
        """(F, H, W, 3) uint8 on the device; the copy may not be finished yet."""
        count = len(images)
        if not self._ring or len(self._ring[0][0]) < count or self._ring[0][0].shape[1:] != images[0].shape:
            shape = (count, *images[0].shape)
            self._ring = [(torch.empty(shape, dtype=torch.uint8, pin_memory=True), torch.cuda.Event()) for _ in "ab"]
        buffer, crossed = self._ring[self._turn]
        self._turn = 1 - self._turn
        crossed.synchronize()  # the last copy out of this buffer is finished
        for place, image in zip(buffer.numpy(), images, strict=False):
            place[:] = image
        there = buffer[:count].to(self._device, non_blocking=True)
        crossed.record(torch.cuda.current_stream(self._device))  # of this device, which need not be the current one
        return there
