"""ReLA: P x P regions that attend to the image, to the words and to each other; several targets, or none.

Source: "GRES: Generalized Referring Expression Segmentation" (Liu et al., CVPR 2023), sections 3 and 4, and what is
known of its release, with whose figures this agrees (parity test).

Where the parts are: the fused encoder in `models/language_fused.py`, the pixel decoder in `models/rela_pixels.py`,
region-image and region-language attention, minimap and no-target head in `models/rela_regions.py`. With q_n the last
state of region n, f_n its mask embedding, x_n the output of its minimap head and F the pixel features:
  target = (sum_n x_n f_n) F,  absent = mean_n MLP(q_n)
  loss = 5 (CE(target, at full size) + 0.1 CE(minimap) + 0.1 CE(absent)),  classes weighted 0.9 and 1.1 in all three
Only the output of the last layer has a loss. `presence_logit` comes from the no-target head. The mask is the union of
all targets; separate parts of it become separate candidates.

Two forms. `release`, the published code: x has two numbers, one for each class of the target; only the first layer
attends to words; a minimap cell is true where bilinear downsampling gives exactly 1. `paper`, the text: x is one number
a region, here a probability (reading); every layer attends to words; F_r = MLP(F_r1 + F_r2 + F'_r) with transformer
norms (reading); the label of a minimap cell is the share of it that is covered (reading).

Departures, so that it can be trained from scratch: the encoder's gates and the projection of words do not start at
zero, where the release's gates would stay. `reads_padding` True repeats an oversight of the release, in which regions
also attend to padding words; it needs a tokenizer of fixed length, which the converter makes. Padded pixels are not
masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.encoders.gru import GruTextEncoder
from image_core.encoders.text import TextEncoder
from image_core.encoders.vision import VisionEncoder
from image_core.field_types import check_fields
from image_core.layers.blocks import mask_score
from image_core.losses import at_size, two_class_loss
from image_core.models.language_fused import LanguageFusedConfig, LanguageFusedModel
from image_core.models.rela_pixels import PixelDecoder
from image_core.models.rela_regions import Form, Looks, RegionDecoder, Regions
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures


@dataclass(frozen=True)
class RelaConfig(LanguageFusedConfig):
    """Sizes and forms of ReLA, beside the fields of the fused encoder."""

    form: Form = "release"
    minimap: int = 10  # P: the image has P x P regions
    channels: int = 256  # of pixels and regions
    heads: int = 8  # of all attentions after the encoder
    pixel_layers: int = 6  # of deformable attention
    pixel_hidden: int = 1024  # width of their feed-forward nets
    points: int = 4  # sampling points of a cell in each level and head
    region_layers: int = 9
    region_hidden: int = 2048  # width of their feed-forward nets
    looks: Looks = "attended"  # "squares": the ablation with a hard split
    language_attention: bool = True  # False: regions times averaged words, the ablation's baseline
    region_attention: bool = True  # False: regions do not attend to each other
    reads_padding: bool = False  # True, as released: regions also attend to padding words
    class_weights: tuple[float, float] = (0.9, 1.1)  # background and target; for absent: a target and no target
    minimap_weight: float = 0.1  # 0: without supervision of the minimap, an ablation
    absent_weight: float = 0.1
    loss_weight: float = 5.0

    def __post_init__(self) -> None:
        check_fields(self)
        super().__post_init__()
        counts = ("minimap", "channels", "heads", "pixel_layers", "pixel_hidden", "points", "region_layers")
        for name in (*counts, "region_hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"RelaConfig.{name}: expected at least 1, got {getattr(self, name)}")
        if self.channels % 4 or self.channels % self.heads:
            raise ValueError(
                f"RelaConfig.channels: expected a multiple of 4 and of heads ({self.heads}), got {self.channels}"
            )
        if min(self.class_weights) <= 0:
            raise ValueError(f"RelaConfig.class_weights: expected positive numbers, got {self.class_weights}")
        if min(self.minimap_weight, self.absent_weight) < 0 or self.loss_weight <= 0:
            raise ValueError(
                f"RelaConfig: expected a loss_weight above 0 and others of 0 or more, got loss_weight "
                f"{self.loss_weight}, minimap_weight {self.minimap_weight}, absent_weight {self.absent_weight}"
            )


@dataclass(frozen=True)
class RelaExtras:
    """What the minimap's loss needs, in training."""

    minimap_logits: Tensor  # (N, P, P), log-odds that a region holds a target


class Rela(LanguageFusedModel):
    """ReLA over any pyramid with strides 4 to 32 and any text encoder."""

    config: RelaConfig

    def __init__(self, *, vision: VisionEncoder, text: TextEncoder | GruTextEncoder, config: RelaConfig) -> None:
        super().__init__(vision=vision, text=text, config=config)
        c = config
        self.pixels = PixelDecoder(
            vision.channels,
            c.channels,
            heads=c.heads,
            hidden=c.pixel_hidden,
            layers=c.pixel_layers,
            points=c.points,
        )
        self.regions = RegionDecoder(
            text.channels,
            c.channels,
            heads=c.heads,
            hidden=c.region_hidden,
            layers=c.region_layers,
            side=c.minimap,
            form=c.form,
            looks=c.looks,
            words=c.language_attention,
            regions=c.region_attention,
        )

    def predict_regions(self, image: ImageFeatures, text: TextFeatures) -> Regions:
        """The logits of the region decoder for N pairs."""
        pad = torch.zeros_like(text.word_pad_mask) if self.config.reads_padding else text.word_pad_mask
        return self.regions(self.pixels(image.levels), text.words, pad)

    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Any = None) -> Prediction:
        regions = self.predict_regions(image, text)
        mask_logits = class_difference(regions.target, axis=1)
        minimap = class_difference(regions.minimap, axis=2)
        extras = RelaExtras(minimap.unflatten(1, (self.config.minimap,) * 2)) if self.training else None
        return Prediction(mask_logits, regions.absent[:, 0] - regions.absent[:, 1], mask_score(mask_logits), extras)

    def losses(self, prediction: Prediction, batch: ImageBatch) -> dict[str, Tensor]:
        """mask: at the size of the true masks; minimap; absent: whether there is no target."""
        c, masks = self.config, batch.masks
        weights, scale = c.class_weights, c.loss_weight
        full = F.interpolate(
            prediction.mask_logits[:, None], size=tuple(masks.shape[1:]), mode="bilinear", align_corners=False
        )[:, 0]
        terms = {"mask": scale * two_class_loss(full, masks, weights)}
        if c.minimap_weight > 0:
            logits = prediction.extras.minimap_logits
            truth = at_size(masks, logits) if c.form == "paper" else downsample_masks(masks, c.minimap)
            terms["minimap"] = scale * c.minimap_weight * two_class_loss(logits, truth, weights)
        if c.absent_weight > 0:
            absent = (~batch.has_target).to(masks.dtype)
            terms["absent"] = scale * c.absent_weight * two_class_loss(-prediction.presence_logit, absent, weights)
        return terms


def class_difference(logits: Tensor, axis: int) -> Tensor:
    """Log-odds of the second of two classes along an axis; the logit of a single class as it is. Removes the axis."""
    if logits.shape[axis] == 1:
        return logits.squeeze(axis)
    return logits.select(axis, 1) - logits.select(axis, 0)


def downsample_masks(masks: Tensor, side: int) -> Tensor:
    """(N, H, W) in {0, 1} -> (N, side, side) in {0, 1}: bilinear, then rounded down, as in the release. So a cell is 1
    only if all pixels around its centre are."""
    small = F.interpolate(masks[:, None].float(), size=(side, side), mode="bilinear", align_corners=False)
    return small[:, 0].floor().to(masks.dtype)
