"""LAVT: the words are fused into the vision encoder, level by level; the decoder only joins and upsamples the levels.

Source: "LAVT: Language-Aware Vision Transformer for Referring Image Segmentation" (Yang et al., CVPR 2022). Its code is
GPL-3.0 and was not read: this is written from a description, and agrees with the figures of its release (parity test).

The encoder is that of `models/language_fused.py`. With its levels l_1 (stride 4) to l_4 (stride 32):
  d_4 = l_4,  d_i = CBR(CBR([up(d_{i+1}); l_i])),  CBR: 3 x 3 convolution, batch norm, ReLU
  logits = up(conv1x1(d_1))    of two classes, at the size of the input; the mask is where the second wins
Loss: cross-entropy of the two classes with weights 0.9 and 1.1 (`lavt`); of `lavt_one` its notes say a dice loss over
both classes, which no code shows: `loss` "dice" is our reading, the mean of the two.

Readings and departures:
- `presence_logit` is ours, as the published data have no absent targets: the mean of the strongest mask logits. For
  such networks ReLA's authors count a mask of fewer than 50 pixels at 480 x 480 as no target. That rule is a protocol
  of evaluation here (`rela_50px`).
- The release leaves BERT's embeddings and last two layers out of its optimiser. Here all of BERT is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from image_core.encoders.gru import GruTextEncoder
from image_core.encoders.text import TextEncoder
from image_core.encoders.vision import VisionEncoder
from image_core.field_types import check_fields
from image_core.layers.blocks import mask_score, presence_from_mask
from image_core.layers.top_down import TopDownStep, upsample
from image_core.losses import dice_loss, two_class_loss
from image_core.models.language_fused import LanguageFusedConfig, LanguageFusedModel
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures


@dataclass(frozen=True)
class LavtConfig(LanguageFusedConfig):
    """Fields of LAVT, beside those of the fused encoder."""

    channels: int = 512  # of the decoder; half of the coarsest level in the release
    loss: Literal["cross_entropy", "dice"] = "cross_entropy"
    class_weights: tuple[float, float] = (0.9, 1.1)  # of the cross-entropy: background, target

    def __post_init__(self) -> None:
        check_fields(self)
        super().__post_init__()
        if self.channels < 1:
            raise ValueError(f"LavtConfig.channels: expected at least 1, got {self.channels}")
        if min(self.class_weights) <= 0:
            raise ValueError(f"LavtConfig.class_weights: expected positive numbers, got {self.class_weights}")


class Lavt(LanguageFusedModel):
    """LAVT over any pyramid with strides 4 to 32 and any text encoder. Mask logits have the size of the input."""

    config: LavtConfig
    mask_stride = 1

    def __init__(self, *, vision: VisionEncoder, text: TextEncoder | GruTextEncoder, config: LavtConfig) -> None:
        super().__init__(vision=vision, text=text, config=config)
        c, (*fine, coarse) = config.channels, vision.channels
        self.decoder = nn.ModuleList(
            TopDownStep(deep, level, c) for deep, level in zip((coarse, c, c), reversed(fine), strict=True)
        )
        self.classes = nn.Conv2d(c, 2, 1)

    def class_logits(self, image: ImageFeatures) -> Tensor:
        """The logits of both classes at stride 4, (N, 2, h, w): background, target."""
        *fine, x = image.levels
        for step, level in zip(self.decoder, reversed(fine), strict=True):
            x = step(x, level)
        return self.classes(x)

    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Any = None) -> Prediction:
        elsewhere, target = self.class_logits(image).split(1, dim=1)
        height, width = (4 * n for n in elsewhere.shape[2:])
        mask_logits = upsample(target - elsewhere, height, width)[:, 0]
        return Prediction(mask_logits, presence_from_mask(mask_logits), mask_score(mask_logits))

    def losses(self, prediction: Prediction, batch: ImageBatch) -> dict[str, Tensor]:
        """One term. dice: over the expressions that have a target."""
        logits, masks = prediction.mask_logits, batch.masks
        if self.config.loss == "cross_entropy":
            return {"cross_entropy": two_class_loss(logits, masks, self.config.class_weights)}
        each = [dice_loss(sign * logits, (1 - sign) / 2 + sign * masks, weight=batch.has_target) for sign in (1, -1)]
        return {"dice": torch.stack(each).mean()}
