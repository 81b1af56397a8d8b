"""MobileSAM (Zhang et al., 2023): masks of the objects that fill boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from image_core.device import resolve_device
from image_core.grounded.parts import Box
from image_core.grounded.resizing import BILINEAR, resized
from image_core.grounded.sam_decoder import read_decoder
from image_core.grounded.tiny_vit import STRIDE, read_encoder

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)

CPU_BATCH, CUDA_BATCH = 4, 16
"""Boxes decoded at once. On a CPU more are slower, for they fill the caches."""


class MobileSam:
    """A `Masker`: a picture is encoded once, for all its boxes.

    encoder, decoder: the two ONNX files, of which tensors alone are read. A picture is scaled so that its longer side
    is `side_px` (1024 in the release), whatever its size: at 768 the masks of true boxes lose three points of J.

    The release pads every picture to a square. Here the padding is not encoded with each picture: the decoder, which
    does not draw well without it, is shown what the encoder makes of an empty picture.

    Raises `CheckpointError` for files that are not whole or of another model.
    """

    def __init__(self, encoder: Path, decoder: Path, *, device: str = "auto") -> None:
        self.device = resolve_device(device)
        self._encoder = read_encoder(encoder).to(self.device, memory_format=torch.channels_last).eval()
        self._decoder = read_decoder(decoder).to(self.device).eval()
        self._batch = CUDA_BATCH if self.device.type == "cuda" else CPU_BATCH
        self.side_px = self._decoder.side * STRIDE
        with torch.inference_mode():
            self._padding = self._encoder(self._padded(torch.zeros(3, self.side_px, self.side_px)))

    @torch.inference_mode()
    def masks(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> list[tuple[np.ndarray, float]]:
        """(H, W, 3) uint8 RGB and N boxes in pixels -> N pairs: mask (H, W) bool, and the overlap with the true one
        that the network expects, in [0, 1]. Without boxes nothing is computed."""
        if not len(boxes_xyxy):
            return []
        scale = self.side_px / max(image.shape[:2])
        size = tuple(max(1, int(side * scale + 0.5)) for side in image.shape[:2])
        seen = self._encoder(self._padded(self._prepared(image, size)))
        embedding = self._padding.clone()
        embedding[..., : seen.shape[-2], : seen.shape[-1]] = seen
        # The release counts pixels by their centres.
        boxes = torch.from_numpy((np.asarray(boxes_xyxy, np.float32) * np.float32(scale) + 0.5) / STRIDE)
        drawn: list[tuple[np.ndarray, float]] = []
        for some in boxes.to(self.device).split(self._batch):
            logits, overlaps = self._decoder(embedding, some, seen.shape[-2:])
            masks = _at_size(logits, size, image.shape[:2]) > 0
            drawn += zip(masks.cpu().numpy(), overlaps.clamp(0, 1).tolist(), strict=True)
        return drawn

    def _prepared(self, image: np.ndarray, size: tuple[int, ...]) -> Tensor:
        """(3, *size) float32: scaled and normalised."""
        height, width = size
        pixels = (resized(image, (height, width), BILINEAR) - MEAN) / DEVIATION
        return torch.from_numpy(pixels.transpose(2, 0, 1))

    def _padded(self, pixels: Tensor) -> Tensor:
        """(3, h, w) -> (1, 3, H, W): whole cells, with 0 right and below."""
        below, right = (-side % STRIDE for side in pixels.shape[-2:])
        batch = F.pad(pixels, (0, right, 0, below))[None].to(self.device)
        return batch.contiguous(memory_format=torch.channels_last)


def _at_size(logits: Tensor, scaled: tuple[int, ...], size: tuple[int, ...]) -> Tensor:
    """(N, 4 h, 4 w) of whole cells -> (N, *size), as the release does it: to the pixels that were encoded, and without
    their padding to those of the picture."""
    pixels = F.interpolate(logits[:, None], scale_factor=STRIDE / 4, mode="bilinear")
    return F.interpolate(pixels[..., : scaled[0], : scaled[1]], size, mode="bilinear")[:, 0]
