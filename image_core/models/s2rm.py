"""S2RM with CASG: spatial-semantic recurrent mining, and a cross-scale abstract semantic guided decoder.

Source: "Spatial Semantic Recurrent Mining for Referring Image Segmentation" (arXiv 2405.09006). The text names the
parts; formulas, widths and strides could not be read. Every such choice here is a reading and a field of `S2RMConfig`.

The trilogy, at each fused level (N, C, h, w):
1. `LanguageDistribution`: every pixel gathers the words it attends to; no product with the image.
2. `Coparsing`: slices (rows or columns) of a parsed map attend to cyclically shifted slices of a generator map, from
   language to vision and from vision to language, along both axes: four groups.
3. `Balancing`: weights in [0, 1], computed from the pooled groups, scale the four groups before they are joined.
Then CASG, `CASGStage` from deep to shallow: the deeper stage and the sentence gate a level's channels and positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from image_core.encoders.text import TextEncoder
from image_core.encoders.vision import VisionEncoder
from image_core.field_types import check_fields
from image_core.layers.blocks import (
    ConvBlock,
    mask_score,
    presence_from_mask,
    resize_to,
    sine_position_2d,
)
from image_core.losses import at_size, bce_loss, dice_loss, presence_loss
from image_core.models.base import EncoderModel, whole_px
from image_core.models.recurrent_mining import Balancing, Coparsing, LanguageDistribution, Update
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures, size_of

Balance = Literal["channel", "group", "none"]


@dataclass(frozen=True)
class S2RMConfig:
    """Sizes and readings of S2RM. Lists run over the fused levels, fine to coarse."""

    channels: int = 512  # C of the fused levels
    fine_channels: int = 256  # of the stride-4 level
    fused_strides: tuple[int, ...] = (8, 16, 32)  # levels that are mined (the stride-4 level only decodes)
    heads: int = 8  # of all attentions
    # number of shifts, for each level. 0: one for every row, so that a cell attends to the whole map; what is learned
    # of a shift is a function of its distance. 1: none, a cell attends to its own row and column. k > 1: at most k
    # shifts of ceil(length / k) cells each; what is learned of them is learned for each alone
    max_steps: tuple[int, ...] = (1, 0, 0)
    update: Update = "gated"  # reading: how a step of the recurrence updates the map, see `Coparsing`
    directions: tuple[str, ...] = ("l2v", "v2l")  # with `axes`, which of the four groups exist
    axes: tuple[str, ...] = ("row", "column")
    balancing: Balance = "channel"  # a weight for each channel, for each group, or none
    position: bool = True  # ours: sine positions are added to the image before coparsing, for words such as "left"
    casg_attention: bool = True  # gates of the decoder
    presence_head: bool = False  # ours: a head for "no target"
    dice_weight: float = 1.0  # the published loss is dice alone
    bce_weight: float = 0.0
    auxiliary_weight: float = 0.0
    presence_weight: float = 0.5

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.fused_strides or list(self.fused_strides) != sorted(set(self.fused_strides)):
            raise ValueError(f"S2RMConfig.fused_strides: expected rising strides, got {self.fused_strides}")
        if len(self.max_steps) != len(self.fused_strides) or min(self.max_steps) < 0:
            raise ValueError(
                f"S2RMConfig.max_steps: expected a number >= 0 for each of {self.fused_strides}, got {self.max_steps}"
            )
        for name, allowed in (("directions", {"l2v", "v2l"}), ("axes", {"row", "column"})):
            value = getattr(self, name)
            if not value or not set(value) <= allowed:
                raise ValueError(f"S2RMConfig.{name}: expected one or more of {sorted(allowed)}, got {value}")
        if min(self.heads, self.channels, self.fine_channels) < 1:
            raise ValueError(
                f"S2RMConfig: expected at least 1 of each, got heads {self.heads}, channels {self.channels}, "
                f"fine_channels {self.fine_channels}"
            )
        if self.channels % self.heads or (self.position and self.channels % 4):
            raise ValueError(
                f"S2RMConfig.channels: expected a multiple of heads ({self.heads}), got {self.channels}"
                + (" and of 4, for sine positions" if self.position else "")
            )


class RecurrentMining(nn.Module):
    """The trilogy at one level: image (N, C, h, w) and text -> fused image (N, C, h, w).

    The balanced groups are summed, convolved and added to the image (reading: a sum costs a quarter of a
    concatenation).
    """

    def __init__(self, config: S2RMConfig, text_channels: int, max_steps: int) -> None:
        super().__init__()
        c = config.channels
        self.position = config.position
        self.distribution = LanguageDistribution(c, text_channels, config.heads)
        self.coparsing = nn.ModuleDict(
            {
                f"{direction}_{axis}": Coparsing(c, config.heads, max_steps, config.update)
                for direction in config.directions
                for axis in config.axes
            }
        )
        groups = len(self.coparsing)
        self.balancing = (
            None if config.balancing == "none" else Balancing(groups, c, per_channel=config.balancing == "channel")
        )
        self.join = ConvBlock(c, c, kernel=3)

    def forward(self, vision: Tensor, text: TextFeatures) -> Tensor:
        return self.mine(vision, self.image_only(vision), text)

    def image_only(self, vision: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """(N, C, h, w) -> everything that depends on the image alone, N rows each: the cells' queries to the words,
        and the image's side of each group."""
        x = vision
        if self.position:
            x = x + sine_position_2d(x.shape[1], *x.shape[-2:], device=x.device, dtype=x.dtype)
        precomputed: list[tuple[Tensor, ...]] = [(self.distribution.queries(x),)]
        for direction, axis, coparse in self._groups():
            own = x if axis == "row" else x.transpose(2, 3)
            precomputed.append(coparse.encode_parsed(own) if direction == "l2v" else coparse.encode_generator(own))
        return tuple(precomputed)

    def mine(self, vision: Tensor, precomputed: tuple[tuple[Tensor, ...], ...], text: TextFeatures) -> Tensor:
        """The rest of `forward`, given the result of `image_only`."""
        (queries,), *sides = precomputed
        language = self.distribution.spread(queries, text, (vision.shape[2], vision.shape[3]))
        groups = []
        for (direction, axis, coparse), side in zip(self._groups(), sides, strict=True):
            own = language if axis == "row" else language.transpose(2, 3)
            pair = (coparse.encode_generator(own), side) if direction == "l2v" else (side, coparse.encode_parsed(own))
            group = coparse.parse(*pair)
            groups.append(group if axis == "row" else group.transpose(2, 3))
        if self.balancing is not None:
            groups = self.balancing(groups)
        return vision + self.join(torch.stack(groups).sum(0))

    def _groups(self) -> Iterator[tuple[str, str, Coparsing]]:
        """Direction, axis and coparsing of each."""
        for name, coparse in self.coparsing.items():
            direction, axis = name.split("_")
            yield direction, axis, cast(Coparsing, coparse)


class CASGStage(nn.Module):
    """One decoding stage of CASG: the deeper map and the sentence gate the channels and positions of this level's map.

    a_c = sigmoid(MLP([GAP(u); s])), a_s = sigmoid(Conv7x7([mean_c(u * s'), max_c(u * s')])) with u the deeper map
    resized to this level and s' = W s; D = ConvBlock([F * a_c * a_s; u]). The deepest stage has no deeper map: u is
    the map itself.
    """

    def __init__(
        self, level_channels: int, deeper_channels: int, text_channels: int, out: int, attention: bool
    ) -> None:
        super().__init__()
        self.attention = attention
        if attention:
            hidden = max(16, level_channels // 4)
            self.channel = nn.Sequential(
                nn.Linear(deeper_channels + text_channels, hidden),
                nn.ReLU(inplace=True),
                nn.Linear(hidden, level_channels),
            )
            self.sentence = nn.Linear(text_channels, deeper_channels)
            self.place = nn.Conv2d(2, 1, 7, padding=3)
        self.mix = ConvBlock(level_channels + deeper_channels, out)

    def forward(self, level: Tensor, deeper: Tensor, sentence: Tensor) -> Tensor:
        u = resize_to(deeper, level)
        if self.attention:
            channel = self.channel(torch.cat([deeper.mean((2, 3)), sentence], dim=1)).sigmoid()
            modulated = u * self.sentence(sentence)[:, :, None, None]
            position = self.place(
                torch.cat([modulated.mean(1, keepdim=True), modulated.amax(1, keepdim=True)], dim=1)
            ).sigmoid()
            level = level * channel[:, :, None, None] * position
        return self.mix(torch.cat([level, u], dim=1))


@dataclass(frozen=True)
class S2RMExtras:
    """What the auxiliary losses need, in training."""

    deeper_mask_logits: tuple[Tensor, ...]  # of the deeper decoding stages, deep to shallow, each (N, h_i, w_i)


class S2RM(EncoderModel):
    """S2RM + CASG over any pyramid and any text encoder. Late fusion: a frame is encoded once for all expressions."""

    def __init__(self, *, vision: VisionEncoder, text: TextEncoder, config: S2RMConfig) -> None:
        super().__init__(vision, text, config)
        fused = config.fused_strides
        if vision.strides[0] != 4 or not set(fused) <= set(vision.strides[1:]) or fused[-1] != vision.strides[-1]:
            # The output of a stage after the last fused one would not be used, and its weights would get no gradient.
            raise ValueError(
                f"expected fused_strides that end with the encoder, which begins at 4, got encoder strides "
                f"{vision.strides} and fused_strides {fused}"
            )
        self.level_index = [vision.strides.index(s) for s in (4, *config.fused_strides)]
        widths = (config.fine_channels, *(config.channels for _ in config.fused_strides))
        self.project = nn.ModuleList(
            ConvBlock(vision.channels[i], width, kernel=1) for i, width in zip(self.level_index, widths, strict=True)
        )
        self.mining = nn.ModuleList(RecurrentMining(config, text.channels, k) for k in config.max_steps)
        outs = (config.fine_channels, *(config.channels for _ in config.fused_strides))
        deeper = (*outs[1:], config.channels)
        self.decoder = nn.ModuleList(
            CASGStage(level, below, text.channels, out, config.casg_attention)
            for level, below, out in zip(widths, deeper, outs, strict=True)
        )
        self.heads = nn.ModuleList(
            nn.Conv2d(out, 1, 1) for i, out in enumerate(outs) if i == 0 or config.auxiliary_weight > 0
        )
        if config.presence_head:
            c = config.channels
            self.presence = nn.Sequential(nn.Linear(4 * c + text.channels, c), nn.ReLU(inplace=True), nn.Linear(c, 1))

    @property
    def size_multiple(self) -> int:
        return max(self.vision.size_multiple, max(self.config.fused_strides))

    def encode_image(
        self,
        images: Tensor,
        text: TextFeatures | None = None,
        *,
        stem: Tensor | None = None,
        valid_px: Tensor | None = None,
    ) -> ImageFeatures:
        """Pyramid, projected: strides 4 and the fused ones, (F, fine_channels or channels, H/s, W/s); no text."""
        size_of(images, self.size_multiple)
        pyramid = self.vision(images, stem=stem)
        return ImageFeatures(
            levels=tuple(p(pyramid[i]) for i, p in zip(self.level_index, self.project, strict=True)),
            strides=(4, *self.config.fused_strides),
            valid_px=whole_px(images, valid_px),
        )

    def precompute(self, image: ImageFeatures) -> ImageFeatures:
        """With the image's side of the mining, level by level."""
        precomputed = [mining.image_only(level) for mining, level in zip(self._mining(), image.levels[1:], strict=True)]
        return replace(image, made=tuple(part for level in precomputed for part in level))

    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Any = None) -> Prediction:
        image = image if image.made else self.precompute(image)
        fine, *rest = image.levels
        parts = len(image.made) // len(rest)
        precomputed_by_level = [image.made[start : start + parts] for start in range(0, len(image.made), parts)]
        mined = zip(self._mining(), rest, precomputed_by_level, strict=True)
        fused = [fine, *(mining.mine(level, precomputed, text) for mining, level, precomputed in mined)]
        stages: list[Tensor] = []
        deeper = fused[-1]
        for level, stage in zip(reversed(fused), reversed(self.decoder), strict=True):
            deeper = stage(level, deeper, text.sentence)
            stages.append(deeper)
        heads = list(reversed(self.heads))
        logits = [head(d).squeeze(1) for head, d in zip(heads, stages[-len(heads) :], strict=True)]
        mask_logits = logits[-1]
        if self.config.presence_head:
            presence_logit = self._presence(fused[-1], stages[-2], text.sentence)
        else:
            presence_logit = presence_from_mask(mask_logits)
        return Prediction(
            mask_logits=mask_logits,
            presence_logit=presence_logit,
            score=mask_score(mask_logits),
            extras=S2RMExtras(tuple(logits[:-1])) if self.training else None,
        )

    def _mining(self) -> list[RecurrentMining]:
        return [cast(RecurrentMining, mining) for mining in self.mining]

    def _presence(self, deepest: Tensor, decoded: Tensor, sentence: Tensor) -> Tensor:
        pooled = [f(x) for x in (deepest, decoded) for f in (lambda x: x.mean((2, 3)), lambda x: x.amax((2, 3)))]
        return self.presence(torch.cat([*pooled, sentence], dim=1)).squeeze(1)

    def losses(self, prediction: Prediction, batch: ImageBatch) -> dict[str, Tensor]:
        """dice (over expressions that have a target), and where their weights are set: bce, auxiliary, presence."""
        c = self.config
        target, has_target = at_size(batch.masks, prediction.mask_logits), batch.has_target
        terms = {"dice": c.dice_weight * dice_loss(prediction.mask_logits, target, weight=has_target)}
        if c.bce_weight > 0:
            terms["bce"] = c.bce_weight * bce_loss(prediction.mask_logits, target)
        if c.auxiliary_weight > 0:
            deeper = prediction.extras.deeper_mask_logits
            parts = [(x, at_size(batch.masks, x)) for x in deeper]
            each = [dice_loss(x, t, weight=has_target) + bce_loss(x, t) for x, t in parts]
            terms["auxiliary"] = c.auxiliary_weight * torch.stack(each).mean()
        if c.presence_head:
            terms["presence"] = c.presence_weight * presence_loss(prediction.presence_logit, has_target)
        return terms
