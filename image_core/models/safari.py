"""SafaRi: image and words are fused in the last layers of both encoders (X-FACt), then decoded as a contour sequence.

Source: "SafaRi: Adaptive Sequence Transformer for Weakly Supervised Referring Expression Segmentation" (arXiv
2407.02389, ECCV 2024). There is no code, and the text could not be read: the fusion is that of the system figure.

Where the parts are: X-FACt is `GatedCrossAttention` in `FusedLayer`, over the last M layers of both encoders, paired by
depth (`Safari.encode_fused`). Memory: `Safari.build_memory`. Encoder, decoder and loss of the contour: SeqTR's, in
`models/contour.py`. AMCR: `Safari.losses` with `models/attention_consistency.py`, L = L_tokens + lambda L_AMCR. MVF and
SpARC, for few masks: `weak/validity.py`, `weak/sparc.py`.

Readings (ours; fields of `SafariConfig` where one can choose):
- M = 6, as in FIBER: in Swin-B the last four blocks at stride 16 and both at stride 32, in RoBERTa layers 7 to 12.
- b starts at -4 (beta = 0.018), which hardly disturbs pretrained encoders.
- The inputs of CA are layer-normed, since the scale of SA's output without the residual is not fixed. FIBER norms the
  queries.
- `cross_reads` "residual", for encoders trained from scratch: untrained attention averages its inputs, so that SA's
  output hardly differs between the cells of a window, or between the words of an expression.
- `position_in_tokens` also adds positions before the first fused layer, so that words can learn where the cells lie
  that they attend to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.encoders.text import TextEncoder, TextLayer
from image_core.encoders.vision import VisionEncoder
from image_core.encoders.vision_blocks import SwinStage
from image_core.layers.blocks import merge_heads, resize_to, split_heads
from image_core.layers.transformer import Memory, padding_cells, sine_position_of_valid
from image_core.models.attention_consistency import (
    MAP_STRIDE,
    Form,
    Source,
    Words,
    attention_map,
    layer_map,
    margin_loss,
    mass_loss,
    words_ignored,
)
from image_core.models.base import EarlyFusionModel
from image_core.models.contour import (
    ContourConfig,
    ContourModel,
    SequenceExtras,
    contour_decoder,
    transformer_encoder,
)
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures

Gate = Literal["normalised", "additive", "none"]
Reads = Literal["attention", "residual"]


@dataclass(frozen=True)
class SafariConfig(ContourConfig):
    """Sizes and readings of SafaRi, beside those of the sequence transformer."""

    fused_layers: int = 6  # M
    gate: Gate = "normalised"  # "additive": FIBER's; "none": the ablation without gates
    gate_start: float = -4.0  # b of the normalised gate before training
    cross_norm: bool = True  # layer norms on the inputs of CA
    cross_reads: Reads = "attention"  # inputs of CA. "attention": s, published; "residual": r, ours
    memory_stride: int = 32  # 32, or 16 for small images
    amcr_weight: float = 0.1  # lambda of AMCR; 0: off
    amcr_source: Source = "i2t"  # "i2t": similarity of the image branch; "t2i": softmax of the text branch
    amcr_words: Words = "all"  # "first" (ours): only the first token's map, which stands for the whole expression
    amcr_form: Form = "mass"
    amcr_margins: tuple[float, float] = (0.0, 0.5)  # of the margin form: for the mean, for the maximum

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory_stride not in (16, 32):
            raise ValueError(f"SafariConfig.memory_stride: expected 16 or 32, got {self.memory_stride}")
        if self.fused_layers < 1:
            raise ValueError(f"SafariConfig.fused_layers: expected at least 1, got {self.fused_layers}")
        if self.amcr_weight < 0:
            raise ValueError(f"SafariConfig.amcr_weight: expected 0 or more, got {self.amcr_weight}")
        if min(self.amcr_margins) < 0:
            raise ValueError(f"SafariConfig.amcr_margins: expected numbers of 0 or more, got {self.amcr_margins}")


class NormalisedGate(nn.Module):
    """(1 - beta) r + beta c, beta = sigmoid(b), a scalar that is learned from `start`."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.tensor(float(start)))

    def forward(self, r: Tensor, c: Tensor) -> Tensor:
        beta = self.b.sigmoid()
        return (1 - beta) * r + beta * c


class AdditiveGate(nn.Module):
    """r + alpha c, alpha a scalar that is learned from 0: FIBER's gate, from which SafaRi departs."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(0.0))

    def forward(self, r: Tensor, c: Tensor) -> Tensor:
        return r + self.alpha * c


class NoGate(nn.Module):
    """r + c."""

    def forward(self, r: Tensor, c: Tensor) -> Tensor:
        return r + c


def build_gate(config: SafariConfig) -> nn.Module:
    """The gate that a configuration names: two (N, Q, C) in, one out."""
    if config.gate == "normalised":
        return NormalisedGate(config.gate_start)
    return AdditiveGate() if config.gate == "additive" else NoGate()


class AttentionOutput(NamedTuple):
    """Output of the cross-attention of one modality to the other."""

    mixed: Tensor  # (N, Q, C), what goes on to the FFN
    similarity: Tensor  # (N, heads, Q, K), before the softmax over K


class GatedCrossAttention(nn.Module):
    """One modality's half of X-FACt, normalised gated cross-attention; `FusedLayer` has both halves.

    With x this modality's tokens, s_x = SA(x) and r = x + s_x of the host layer, s_y the other modality's:
      c = CA(Q from s_x; K, V from s_y)
      x' = FFN(gate(r, c)),  published: (1 - beta) r + beta c
    `forward` returns gate(r, c), the input of the host layer's FFN. With beta = 0 the encoder is unchanged.

    channels, heads: of the host layer; other_channels: width of the other modality; norm: layer norms before queries,
    keys and values.
    """

    def __init__(self, channels: int, other_channels: int, heads: int, gate: nn.Module, norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.own_norm = nn.LayerNorm(channels) if norm else nn.Identity()
        self.other_norm = nn.LayerNorm(other_channels) if norm else nn.Identity()
        self.to_q = nn.Linear(channels, channels)
        self.to_kv = nn.Linear(other_channels, 2 * channels)
        self.out = nn.Linear(channels, channels)
        self.gate = gate

    def forward(self, r: Tensor, s: Tensor, other: Tensor, other_pad: Tensor) -> AttentionOutput:
        """r, s: (N, Q, C); other: (N, K, C_other), its SA at the same depth; other_pad: (N, K) bool."""
        q = split_heads(self.to_q(self.own_norm(s)), self.heads)
        k, v = (split_heads(x, self.heads) for x in self.to_kv(self.other_norm(other)).chunk(2, dim=-1))
        similarity = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        weights = similarity.masked_fill(other_pad[:, None, None], float("-inf")).softmax(-1).to(v.dtype)
        c = self.out(merge_heads(weights @ v))
        return AttentionOutput(self.gate(r, c), similarity)


class FusedLayer(nn.Module):
    """X-FACt of one pair: a vision block and a text layer of the same depth, each attending to the other.

    The host layers are passed to `forward`, since they belong to their encoders. Swin's windows apply to SA only: in
    cross-attention every cell attends to all words.
    """

    def __init__(self, *, channels: int, heads: int, text_channels: int, text_heads: int, config: SafariConfig) -> None:
        super().__init__()
        self.image = GatedCrossAttention(channels, text_channels, heads, build_gate(config), config.cross_norm)
        self.text = GatedCrossAttention(text_channels, channels, text_heads, build_gate(config), config.cross_norm)
        self.words: Words = config.amcr_words
        self.source: Source = config.amcr_source
        self.reads: Reads = config.cross_reads

    def forward(
        self, x: Tensor, words: Tensor, *, stage: SwinStage, block: int, layer: TextLayer, cell_pad: Tensor, pad: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x: (N, h, w, C) with padding cell_pad (N, h, w); words: (N, L, C_t) with padding pad (N, L).

        Returns both after the layer, and the layer's attention over the image, (N, h, w) (`layer_map`).
        """
        n, h, w, _ = x.shape
        s_image, s_text = stage.attend(block, x), layer.attend(words, pad)
        r_image, r_text = (x + s_image).flatten(1, 2), words + s_text
        flat_pad = cell_pad.flatten(1)
        cross_image, cross_text = (s_image.flatten(1, 2), s_text) if self.reads == "attention" else (r_image, r_text)
        image = self.image(r_image, cross_image, cross_text, pad)
        text = self.text(r_text, cross_text, cross_image, flat_pad)
        similarity = image.similarity if self.source == "i2t" else text.similarity
        attention = layer_map(similarity, words_ignored(pad, self.words), flat_pad, self.source).unflatten(1, (h, w))
        return stage.feed_forward(block, image.mixed.view(n, h, w, -1)), layer.feed_forward(text.mixed), attention


@dataclass(frozen=True)
class SafariExtras(SequenceExtras):
    """What training needs: the sequence, and the attention for AMCR."""

    attention: Tensor  # (N, h, w) over the cells of stride 16, each row summing to one


class Safari(EarlyFusionModel, ContourModel):
    """SafaRi over timm's Swin and any text encoder of transformers, one frame-expression pair at a time.

    Early fusion: `encode_text` stops before the fused layers; stem and unfused blocks run once an image. The fused
    layers run for each pair, at most `max_pairs` at a time.
    """

    config: SafariConfig
    text: TextEncoder

    def __init__(self, *, vision: VisionEncoder, text: TextEncoder, config: SafariConfig) -> None:
        super().__init__(vision, text, config)
        try:
            stages = vision.swin_stages()
        except ValueError as error:
            raise ValueError(f"vision encoder: {error}") from error
        if not isinstance(text, TextEncoder):
            raise ValueError(f"text encoder: expected the layers of one of transformers, got {type(text).__name__}")
        m, layers = config.fused_layers, text.layers
        if vision.strides != (4, 8, 16, 32) or m > min(sum(stage.depth for stage in stages), len(layers)):
            raise ValueError(
                f"expected strides (4, 8, 16, 32) and fused_layers ({m}) of each encoder, got strides "
                f"{vision.strides}, {sum(stage.depth for stage in stages)} vision blocks after the stem and "
                f"{len(layers)} text layers"
            )
        self._blocks = [(i, j) for i, stage in enumerate(stages) for j in range(stage.depth)][-m:]
        self.fused = nn.ModuleList(
            FusedLayer(
                channels=vision.channels[i + 1],
                heads=stages[i].heads(j),
                text_channels=text.channels,
                text_heads=text.heads,
                config=config,
            )
            for i, j in self._blocks
        )
        d, levels = config.channels, {16: vision.channels[2:], 32: vision.channels[3:]}[config.memory_stride]
        self.image_to_memory = nn.ModuleList(nn.Sequential(nn.LayerNorm(c), nn.Linear(c, d)) for c in levels)
        self.words_to_memory = nn.Sequential(nn.LayerNorm(text.channels), nn.Linear(text.channels, d))
        self.encoder = transformer_encoder(config)
        self.decoder = contour_decoder(config)

    def encode_text(self, expressions: Sequence[str]) -> TextFeatures:
        """Words before the fused layers. Up to there they do not depend on the image."""
        tokens = self.text.tokenize(expressions)
        hidden = self.text.embed(tokens)
        for layer in self.text.layers[: len(self.text.layers) - len(self.fused)]:
            hidden = layer(hidden, tokens.word_pad_mask)
        return self.text.collect(hidden, tokens)

    def encode_before_fusion(self, stem: Tensor) -> tuple[Tensor, ...]:
        """The stem, the levels (NHWC) that no fused block touches, and what enters the first fused block."""
        stages, (start, block) = self.vision.swin_stages(), self._blocks[0]
        levels, x = [], stem.permute(0, 2, 3, 1)
        for stage in stages[:start]:
            x = stage(x)
            levels.append(x)
        return stem, *levels, stages[start](x, blocks=block)

    def encode_fused(self, before: tuple[Tensor, ...], text: TextFeatures, valid_px: Tensor) -> ImageFeatures:
        """Runs both encoders from the first fused block to the end. Levels: the stem, and the maps that become the
        memory. `words`: after fusion. `attention` (N, M, h w, 1): over the cells of stride 16, one map for each fused
        layer, pooled over words (`layer_map`)."""
        stem, *levels, x = before
        stages, words, pad = self.vision.swin_stages(), text.words, text.word_pad_mask
        if self.config.position_in_tokens:
            n, h, w, channels = x.shape
            cell_pad = padding_cells(valid_px, (h, w), self.vision.strides[self._blocks[0][0] + 1])
            x = x + sine_position_of_valid(cell_pad, channels, x.dtype).view(n, h, w, channels)
        cells = tuple(4 * n // MAP_STRIDE for n in stem.shape[-2:])
        maps, current_stage = [], self._blocks[0][0]
        layers = list(self.text.layers)[-len(self.fused) :]
        for (i, j), fused, layer in zip(self._blocks, self.fused, layers, strict=True):
            if i != current_stage:
                levels, current_stage = [*levels, x], i
                x = stages[i].downsample(x)
            cell_pad = padding_cells(valid_px, (x.shape[1], x.shape[2]), self.vision.strides[i + 1])
            x, words, attention = fused(
                x, words, stage=stages[i], block=j, layer=cast(TextLayer, layer), cell_pad=cell_pad, pad=pad
            )
            maps.append(F.interpolate(attention[:, None], size=cells, mode="bilinear", align_corners=False))
        kept = [*levels, x][-len(self.image_to_memory) :]
        return ImageFeatures(
            levels=(stem, *(level.permute(0, 3, 1, 2) for level in kept)),
            strides=(4, *self.vision.strides[-len(kept) :]),
            valid_px=valid_px,
            words=replace(text, words=words),
            attention=torch.cat(maps, 1).flatten(2)[..., None],
        )

    def build_memory(self, image: ImageFeatures, text: TextFeatures) -> Memory:
        """z = [proj(image); proj(words)] of N pairs, through the encoder; `text`, from before fusion, is not read.

        Positions are sines for the image and zero for words. Image tokens are those at stride 32. With
        `memory_stride` 16 they are those at stride 16, plus the upsampled ones of stride 32. Raises `ValueError` for
        features without words.
        """
        if image.words is None:
            raise ValueError("Safari.build_memory: expected features of `encode_image`, got some without words")
        h, w = image.levels[1].shape[-2:]
        stride, _ = image.maps[1]
        pad_mask = padding_cells(image.valid_px, (h, w), stride)
        maps = [
            project(level.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            for project, level in zip(self.image_to_memory, image.levels[1:], strict=True)
        ]
        joined = sum((resize_to(deeper, maps[0]) for deeper in maps[1:]), maps[0])
        words = self.words_to_memory(image.words.words)
        image_position = sine_position_of_valid(pad_mask, self.config.channels, joined.dtype)
        tokens = torch.cat([joined.flatten(2).transpose(1, 2), words.to(joined.dtype)], 1)
        position = F.pad(image_position, (0, 0, 0, words.shape[1]))
        pad = torch.cat([pad_mask.flatten(1), image.words.word_pad_mask], 1)
        return self.encode(tokens, position, pad, (h, w))

    def attention(self, image: ImageFeatures) -> Tensor:
        """(N, h, w) over the cells of stride 16, each row summing to one: the attention of all fused layers, pooled
        over layers and words, from the maps that `amcr_source` names. Raises `ValueError` for features without
        attention."""
        if image.attention is None:
            raise ValueError("Safari.attention: expected features of `encode_image`, got some without attention")
        h, w = (4 * n // MAP_STRIDE for n in image.levels[0].shape[-2:])
        maps = image.attention[..., 0].unflatten(2, (h, w))
        return attention_map(maps, padding_cells(image.valid_px, (h, w), MAP_STRIDE), self.config.amcr_source)

    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Tensor | None = None) -> Prediction:
        prediction = super().decode(image, text, targets)
        if not isinstance(prediction.extras, SequenceExtras):
            return prediction
        tokens = prediction.extras
        extras = SafariExtras(tokens.token_logits, tokens.token_targets, tokens.cell_logits, self.attention(image))
        return replace(prediction, extras=extras)

    def losses(self, prediction: Prediction, batch: ImageBatch) -> dict[str, Tensor]:
        """tokens: of the contour; attention: lambda times AMCR, over the expressions that have a target."""
        terms = super().losses(prediction, batch)
        c, extras = self.config, prediction.extras
        if c.amcr_weight > 0 and isinstance(extras, SafariExtras):
            own = (
                mass_loss(extras.attention, batch.masks)
                if c.amcr_form == "mass"
                else margin_loss(extras.attention, batch.masks, c.amcr_margins)
            )
            terms["attention"] = c.amcr_weight * own
        return terms
