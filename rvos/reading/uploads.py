"""Prepares frames on the device of the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from image_core.preprocessing import Preprocessing
from image_core.resampling import prepare_many

_RESIZE_BATCH = 8
"""Frames that are resized at a time, as float at full size: 40 frames of 4K would take 4 GB."""


class FrameUploader:
    """Prepares the frames of one video for a network. All have one size, which `View` checks.

    On a CPU frames are prepared one by one, like any image. On a GPU the frames of a chunk are copied together as uint8
    from one of two pinned buffers in turn: one is filled while the other is copied. The result differs from that of a
    CPU by at most one grey level, by rounding.
    """

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self._preprocessing = preprocessing
        self._device = device
        self._buffers: list[tuple[Tensor, torch.cuda.Event]] = []
        self._next_buffer = 0
        self._constants: dict[tuple[tuple[int, int], ...], Tensor] = {}

    def prepared(self, images: Sequence[np.ndarray]) -> Tensor:
        """F images (H, W, 3) uint8 RGB -> (F, 3, h, w) float32 on the device."""
        if self._device.type != "cuda":
            made = torch.stack([self._preprocessing.prepare(image)[0] for image in images])
            return made.to(self._device)
        some = self._upload(images).split(_RESIZE_BATCH)
        return torch.cat([prepare_many(self._preprocessing, part) for part in some])

    def on_device(self, sizes: tuple[tuple[int, int], ...]) -> Tensor:
        """Sizes as (F, 2) long on the device, copied there once."""
        if sizes not in self._constants:
            self._constants[sizes] = torch.tensor(sizes, device=self._device)
        return self._constants[sizes]

    def _upload(self, images: Sequence[np.ndarray]) -> Tensor:
        """(F, H, W, 3) uint8 on the device; the copy may not be finished yet."""
        count = len(images)
        if not self._buffers or len(self._buffers[0][0]) < count or self._buffers[0][0].shape[1:] != images[0].shape:
            shape = (count, *images[0].shape)
            self._buffers = [(torch.empty(shape, dtype=torch.uint8, pin_memory=True), torch.cuda.Event()) for _ in "ab"]
        buffer, copied = self._buffers[self._next_buffer]
        self._next_buffer = 1 - self._next_buffer
        copied.synchronize()  # the last copy from this buffer is finished
        for place, image in zip(buffer.numpy(), images, strict=False):
            place[:] = image
        on_device = buffer[:count].to(self._device, non_blocking=True)
        copied.record(torch.cuda.current_stream(self._device))  # of this device, which need not be the current one
        return on_device
