"""HARIS: frozen encoders, human-like attention with feedback from shallow to deep, and a query that gives the mask.

Source: "HARIS: Human-Like Attention for Reference Image Segmentation" (arXiv 2405.10707). There is no code, and the
text that could be read has lost its formulas. It says: SAM encodes the picture and CLIP the words, both frozen; the
features of three depths of SAM, flattened, go through one attention block each (`human_like_attention.py`); a block's
output is added to the next depth through convolutions (Eq. 4); a transformer decoder runs over [query; words from the
last block]; the product of the query and the upsampled cells is the mask; the loss is focal and dice.

Readings (ours; fields of `HarisConfig` where one can choose):
- The depths lie after one third, two thirds and all of the encoder. From a pyramid the last three levels are taken and
  resized to the grid of `grid_stride`, since the text has one height and width for all.
- Each depth and the words are layer-normed before they are projected to d: SAM's blocks end without a norm.
- A block gets the words that the block before it returned. Padded words and cells are masked in every attention.
- Convolutions of Eq. 4 are 3x3 of stride 1. ReLU follows every batch norm.
- Positions are sines, added to the decoder's keys as in DETR; the product with the query is divided by sqrt(d).
- No MLP between the query and the product, since the text has none.
- Weights of the losses are SAM's. Presence: `presence_from_mask`, as of every model without a head for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.encoders.gru import GruTextEncoder
from image_core.encoders.text import TextEncoder
from image_core.encoders.vision import VisionEncoder
from image_core.field_types import check_fields
from image_core.layers.blocks import ConvBlock, mask_score, presence_from_mask, sine_position_2d
from image_core.layers.transformer import Attention, FeedForward, padding_cells
from image_core.losses import at_size, dice_loss, focal_loss
from image_core.models.base import EncoderModel, whole_px
from image_core.models.human_like_attention import HumanLikeAttention, PlainAttention
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures, size_of

Trained = Literal["none", "adapters", "all"]
Block = Literal["human_like", "cross_attention"]
Decoder = Literal["transformer", "averaged_words"]

UPSAMPLED = 4
"""Mask cells along each side of a grid cell: two blocks upsample by 2 each."""


@dataclass(frozen=True)
class HarisConfig:
    """Sizes and readings of HARIS. The six switches are those that its publication has ablations of."""

    channels: int = 256  # d of cells, words and queries
    heads: int = 8  # of the decoder, and of the plain attention
    decoder_layers: int = 3
    hidden: int = 2048  # of the decoder's feed-forward parts
    dropout: float = 0.1  # of the decoder
    grid_stride: int = 16  # pixels per cell of the tokens, SAM's
    trainable: Trained = "none"  # which parameters of the encoders are trained; "adapters" and "all" are ours
    adapter_channels: int = 64  # width of an adapter, one after each stage of SAM and each layer of CLIP
    position_in_tokens: bool = False  # ours, for encoders without positions: added to the cells as well
    hierarchy: bool = True  # False: the deepest level alone
    decoder: Decoder = "transformer"  # "averaged_words": cells times the mean of the words
    block: Block = "human_like"  # "cross_attention": plain, without the three parts below
    feedback: bool = True  # the second attention pass (Eq. 3); there is none without language_weighted
    vision_weighted: bool = True  # words attend to cells
    language_weighted: bool = True  # cells attend to words
    focal_weight: float = 20.0
    focal_alpha: float = 0.25
    focal_gamma: float = 2.0
    dice_weight: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("channels", "heads", "decoder_layers", "hidden", "adapter_channels"):
            if getattr(self, name) < 1:
                raise ValueError(f"HarisConfig.{name}: expected at least 1, got {getattr(self, name)}")
        if self.channels % self.heads or self.channels % 4:
            raise ValueError(
                f"HarisConfig.channels: expected a multiple of heads ({self.heads}) and of 4, got {self.channels}"
            )
        if self.grid_stride not in (8, 16, 32):
            raise ValueError(f"HarisConfig.grid_stride: expected 8, 16 or 32, got {self.grid_stride}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"HarisConfig.dropout: expected 0 to below 1, got {self.dropout}")
        if not 0 <= self.focal_alpha <= 1:
            raise ValueError(f"HarisConfig.focal_alpha: expected 0 to 1, got {self.focal_alpha}")
        for name in ("focal_weight", "focal_gamma", "dice_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"HarisConfig.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.block == "human_like" and not (self.vision_weighted or self.language_weighted):
            raise ValueError(
                "HarisConfig: expected vision_weighted, language_weighted or both, got neither: block=cross_attention "
                "is the ablation of the whole block"
            )


class Adapter(nn.Module):
    """x + W_2 GELU(W_1 LN(x)) over the last axis; starts almost as x. Source: Houlsby et al., ICML 2019."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.down, self.up = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        nn.init.normal_(self.up.weight, std=1e-3)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.up(F.gelu(self.down(self.norm(x))))


class GridProjection(nn.Module):
    """LN over channels, linear, resize: (F, C, h', w') -> (F, d, h, w). Finer maps are averaged, coarser enlarged."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels_in)
        self.project = nn.Linear(channels_in, channels)

    def forward(self, level: Tensor, cells: tuple[int, int]) -> Tensor:
        x = self.project(self.norm(level.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        if x.shape[2] > cells[0]:
            return F.adaptive_avg_pool2d(x, cells)
        return x if x.shape[2:] == cells else F.interpolate(x, cells, mode="bilinear", align_corners=False)


class QueryLayer(nn.Module):
    """A layer of DETR's decoder: x <- LN(x + SA(x)), LN(x + CA(x, cells)), LN(x + FFN(x)). CA's keys have positions."""

    def __init__(self, config: HarisConfig) -> None:
        super().__init__()
        c = config.channels
        self.self_attention = Attention(c, config.heads, config.dropout)
        self.cross_attention = Attention(c, config.heads, config.dropout)
        self.feed_forward = FeedForward(c, config.hidden, config.dropout)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(c) for _ in range(3))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, query_pad: Tensor, cells: Tensor, position: Tensor, cell_pad: Tensor) -> Tensor:
        """(N, Q, d), (N, Q) bool, (N, P, d), (1, P, d), (N, P) bool -> (N, Q, d)."""
        own = self.self_attention(x, *self.self_attention.keys_values(x, x), query_pad[:, None, None])
        x = self.norm1(x + self.dropout(own))
        seen = self.cross_attention.keys_values(cells + position, cells)
        x = self.norm2(x + self.dropout(self.cross_attention(x, *seen, cell_pad[:, None, None])))
        return self.norm3(x + self.dropout(self.feed_forward(x)))


class QueryDecoder(nn.Module):
    """[learned query; words] over the cells -> the query, (N, d)."""

    def __init__(self, config: HarisConfig) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, config.channels))
        self.layers = nn.ModuleList(QueryLayer(config) for _ in range(config.decoder_layers))

    def forward(self, words: Tensor, pad_mask: Tensor, cells: Tensor, position: Tensor, cell_pad: Tensor) -> Tensor:
        x = torch.cat([self.query.expand(len(words), -1, -1), words], 1)
        query_pad = F.pad(pad_mask, (1, 0))
        for layer in self.layers:
            x = layer(x, query_pad, cells, position, cell_pad)
        return x[:, 0]


class AveragedWords(nn.Module):
    """The ablation of the decoder: the mean of the words that are no padding, (N, d)."""

    def forward(self, words: Tensor, pad_mask: Tensor, cells: Tensor, position: Tensor, cell_pad: Tensor) -> Tensor:
        keep = (~pad_mask)[..., None].to(words.dtype)
        return (words * keep).sum(1) / keep.sum(1)


class Haris(EncoderModel):
    """HARIS over SAM and CLIP, or any other two encoders. Late fusion: a frame is encoded once for all expressions.

    Frozen encoders stay in eval mode while the rest is trained.
    """

    config: HarisConfig

    def __init__(self, *, vision: VisionEncoder, text: TextEncoder | GruTextEncoder, config: HarisConfig) -> None:
        super().__init__(vision, text, config)
        if len(vision.channels) < 4:
            raise ValueError(f"vision encoder: expected a stem and three levels, got {len(vision.channels)} levels")
        adapted = config.trainable == "adapters"
        if adapted and not isinstance(text, TextEncoder):
            raise ValueError(f"text encoder: expected layers to adapt, of transformers, got {type(text).__name__}")
        c = config.channels
        self.stem_stride = vision.strides[0]
        self.mask_stride = config.grid_stride // UPSAMPLED
        self.used = (1, 2, 3) if config.hierarchy else (3,)
        """Levels of the encoder that are fused, shallow to deep."""
        self.to_grid = nn.ModuleList(GridProjection(vision.channels[i], c) for i in self.used)
        self.words_to_tokens = nn.Sequential(nn.LayerNorm(text.channels), nn.Linear(text.channels, c))
        self.blocks = nn.ModuleList(self._block() for _ in self.used)
        self.joins = nn.ModuleList(nn.Sequential(ConvBlock(c, c), ConvBlock(c, c)) for _ in self.used[1:])
        self.upsampling = nn.ModuleList(ConvBlock(c, c) for _ in range(2))
        self.decoder = QueryDecoder(config) if config.decoder == "transformer" else AveragedWords()
        for encoder in (vision, text):
            encoder.requires_grad_(config.trainable == "all")
        if adapted and isinstance(text, TextEncoder):
            self.vision_adapters = nn.ModuleList(Adapter(n, config.adapter_channels) for n in vision.channels[1:])
            self.text_adapters = nn.ModuleList(Adapter(text.channels, config.adapter_channels) for _ in text.layers)

    def _block(self) -> nn.Module:
        config = self.config
        if config.block == "cross_attention":
            return PlainAttention(config.channels, config.heads)
        return HumanLikeAttention(
            config.channels,
            self.text.channels,
            feedback=config.feedback,
            language_weighted=config.language_weighted,
            vision_weighted=config.vision_weighted,
        )

    @property
    def size_multiple(self) -> int:
        return max(self.vision.size_multiple, self.config.grid_stride)

    def train(self, mode: bool = True) -> Haris:
        """Keeps frozen encoders in eval mode, so that neither dropout nor batch statistics change their features."""
        super().train(mode)
        if self.config.trainable != "all":
            self.vision.eval()
            self.text.eval()
        return self

    def encode_text(self, expressions: Sequence[str]) -> TextFeatures:
        if self.config.trainable != "adapters" or not isinstance(self.text, TextEncoder):
            return self.text(expressions)
        tokens = self.text.tokenize(expressions)
        hidden = self.text.embed(tokens)
        for layer, adapter in zip(self.text.layers, self.text_adapters, strict=True):
            hidden = adapter(layer(hidden, tokens.word_pad_mask))
        return self.text.collect(hidden, tokens)

    def encode_image(
        self,
        images: Tensor,
        text: TextFeatures | None = None,
        *,
        stem: Tensor | None = None,
        valid_px: Tensor | None = None,
    ) -> ImageFeatures:
        """The fused depths on one grid, shallow to deep, (F, channels, H / grid_stride, W / grid_stride); no text."""
        h, w = size_of(images, self.size_multiple)
        stride = self.config.grid_stride
        levels = self._seen(self.vision.stem(images) if stem is None else stem)
        return ImageFeatures(
            levels=tuple(
                project(levels[i], (h // stride, w // stride))
                for i, project in zip(self.used, self.to_grid, strict=True)
            ),
            strides=(stride,) * len(self.used),
            valid_px=whole_px(images, valid_px),
        )

    def _seen(self, stem: Tensor) -> list[Tensor]:
        levels = [stem]
        for i, stage in enumerate(self.vision.stages):
            x = stage(levels[-1])
            if self.config.trainable == "adapters":
                x = self.vision_adapters[i](x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            levels.append(x)
        return levels

    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Any = None) -> Prediction:
        n, c, h, w = image.levels[0].shape
        deepest = image.levels[-1]
        position = sine_position_2d(c, h, w, device=deepest.device, dtype=deepest.dtype)
        cell_pad = padding_cells(image.valid_px, (h, w), self.config.grid_stride).flatten(1)
        words, pad_mask = self.words_to_tokens(text.words), text.word_pad_mask
        before: Tensor | None = None
        for i, (level, block) in enumerate(zip(image.levels, self.blocks, strict=True)):
            x = level + position if self.config.position_in_tokens else level
            if before is not None:
                x = x + self.joins[i - 1](before)
            cells, words = block(x.flatten(2).transpose(1, 2), words, text.sentence, pad_mask, cell_pad)
            before = cells.transpose(1, 2).reshape(n, c, h, w)
        query = self.decoder(words, pad_mask, cells, position.flatten(2).transpose(1, 2), cell_pad)
        mask_logits = self._product(cells.transpose(1, 2).reshape(n, c, h, w), query)
        return Prediction(mask_logits, presence_from_mask(mask_logits), mask_score(mask_logits))

    def _product(self, cells: Tensor, query: Tensor) -> Tensor:
        """(N, d, h, w) cells and (N, d) query -> (N, 4 h, 4 w) logits.

        The last upsampling treats every channel alike, so it commutes with the product over channels. The product comes
        first, which saves a map of d channels at the size of the mask.
        """
        first, last = self.upsampling
        finer = last(_doubled(first(cells)))
        logits = torch.einsum("nchw,nc->nhw", finer, query) * query.shape[1] ** -0.5
        return _doubled(logits[:, None])[:, 0]

    def losses(self, prediction: Prediction, batch: ImageBatch) -> dict[str, Tensor]:
        """focal; dice over the expressions that have a target."""
        c, logits = self.config, prediction.mask_logits
        target = at_size(batch.masks, logits)
        return {
            "focal": c.focal_weight * focal_loss(logits, target, alpha=c.focal_alpha, gamma=c.focal_gamma),
            "dice": c.dice_weight * dice_loss(logits, target, weight=batch.has_target),
        }


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
