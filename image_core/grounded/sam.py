"""MobileSAM (Zhang et al., 2023): masks of the objects that fill boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from image_core.device import resolve_device
from image_core.grounded.parts import Box
from image_core.grounded.resizing import BILINEAR, resized
from image_core.grounded.sam_decoder import PADDING_STRIDE, read_decoder
from image_core.grounded.tiny_vit import STRIDE, read_encoder
from image_core.promptable import PredictedMask

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)

CPU_BATCH, CUDA_BATCH = 1, 16
"""Boxes decoded in a batch. On a CPU a batch of four would take a fifth less for each, but rounding, and so a pixel of
a mask, would depend on the other boxes; larger batches are slower, because they fill the caches."""


@dataclass(frozen=True)
class ImageEmbedding:
    """The embedding of an image."""

    #: (1, C, h, w), one cell per `STRIDE` pixels of the scaled image.
    cells: Tensor
    #: (height, width) in pixels.
    size: tuple[int, int]


class MobileSam:
    """A `Masker` and a `PromptableMasker`: an image is encoded once, for all its boxes.

    encoder, decoder: the two ONNX files, of which tensors alone are read. An image is scaled so that its longer side
    is `side_px`, 1024 in the release. The release pads it to a square. Here the padding is not encoded with each
    image; the decoder gets the encoding of an empty image for it. pads: pad as the release does, to reproduce its
    outputs; for an image of 16:9 that takes 1.8 times as long.

    Raises `CheckpointError` for files that are not whole or of another model.
    """

    def __init__(self, encoder: Path, decoder: Path, *, pads: bool = False, device: str = "auto") -> None:
        self.device = resolve_device(device)
        network = read_encoder(encoder).to(self.device).eval()
        self._encoder = convert_conv2d_weight_memory_format(network, torch.channels_last)
        self._decoder = read_decoder(decoder).to(self.device).eval()
        self._batch = CUDA_BATCH if self.device.type == "cuda" else CPU_BATCH
        self.side_px = self._decoder.side * STRIDE
        self._multiple = self.side_px if pads else STRIDE
        with torch.inference_mode():
            self._padding = self._encoder(torch.zeros(1, 3, *[self.side_px // PADDING_STRIDE] * 2, device=self.device))

    def masks(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> list[tuple[np.ndarray, float]]:
        """(H, W, 3) uint8 RGB and N boxes in pixels -> N pairs: mask (H, W) bool, and the network's estimate of its IoU
        with the true mask, in [0, 1]. Without boxes nothing is computed."""
        if not len(boxes_xyxy):
            return []
        best = self._decode(self.encode_image(image), boxes_xyxy, multimask_output=False)
        return [(one.mask, one.quality) for (one,) in best]

    def predict_masks(self, embedding: ImageEmbedding, boxes_xyxy: Sequence[Box]) -> list[list[PredictedMask]]:
        """An image embedding and N boxes in pixels -> three alternative masks for each box."""
        return self._decode(embedding, boxes_xyxy, multimask_output=True)

    @torch.inference_mode()
    def encode_image(self, image: np.ndarray) -> ImageEmbedding:
        """(H, W, 3) uint8 RGB -> the image embedding."""
        height, width = self._scaled_size(image.shape[:2])
        pixels = (resized(image, (height, width), BILINEAR) - MEAN) / DEVIATION
        batch = torch.from_numpy(pixels)[None].to(self.device).permute(0, 3, 1, 2)
        cells = self._encoder(F.pad(batch, (0, -width % self._multiple, 0, -height % self._multiple)))
        return ImageEmbedding(cells, (image.shape[0], image.shape[1]))

    @torch.inference_mode()
    def _decode(
        self, embedding: ImageEmbedding, boxes_xyxy: Sequence[Box], multimask_output: bool
    ) -> list[list[PredictedMask]]:
        """For each box the mask of the best quality, or with `multimask_output` all of its masks."""
        size = embedding.size
        # The release counts pixels by their centres.
        boxes = (np.asarray(boxes_xyxy, np.float32) * np.float32(self.side_px / max(size)) + 0.5) / STRIDE
        cells = self._decoder.cells_of(embedding.cells, self._padding)
        predictions: list[list[PredictedMask]] = []
        for chunk in torch.from_numpy(boxes).to(self.device).split(self._batch):
            logits, ious = self._decoder(cells, chunk, multimask_output)
            masks = (_upsample(logits, self._scaled_size(size), size) > 0).cpu().numpy()
            qualities = ious.clamp(0, 1).tolist()
            for own, values in zip(masks, qualities, strict=True):
                predictions.append([PredictedMask(mask, quality) for mask, quality in zip(own, values, strict=True)])
        return predictions

    def _scaled_size(self, size: tuple[int, ...]) -> tuple[int, int]:
        height, width = (max(1, int(side * self.side_px / max(size) + 0.5)) for side in size)
        return height, width


def _upsample(logits: Tensor, scaled_size: tuple[int, ...], size: tuple[int, ...]) -> Tensor:
    """(N, M, 4 h, 4 w) of whole cells -> (N, M, *size), as the release does it: to the pixels that were encoded, and
    without their padding to those of the image."""
    pixels = F.interpolate(logits, scale_factor=STRIDE / 4, mode="bilinear")
    return F.interpolate(pixels[..., : scaled_size[0], : scaled_size[1]], size, mode="bilinear")
