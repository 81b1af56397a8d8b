"""What models that predict a contour share: the sequence transformer, masks to tokens, and tokens to a prediction.

Source of the transformer and its training: SeqTR (Zhu et al., ECCV 2022); Partial-RES and SafaRi build on it.

Coordinates are relative to each image padded up to the model's `size_multiple`, x to its width and y to its height;
what a batch pads beyond that does not count. Outlines are traced and filled in numpy, so these functions move masks and
tokens to the CPU and back.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.encoders.gru import GruTextEncoder
from image_core.encoders.text import TextEncoder
from image_core.encoders.vision import VisionEncoder
from image_core.field_types import check_fields
from image_core.geometry.contours import (
    dequantise,
    encloses_area,
    largest_outline,
    quantise,
    rasterise,
    sample_points,
    shuffle_points,
)
from image_core.layers.co_content import CoContent
from image_core.layers.point_attention import PointModulation
from image_core.layers.sequence_decoder import CoordinateDecoder
from image_core.layers.transformer import EncoderLayer, Memory
from image_core.models.base import EncoderModel
from image_core.models.cell_head import CellHead, cell_loss
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures

OUTSIDE = -20.0
"""Logit of a cell away from the contour: probability 0."""

_SCORES = (1e-3, 1 - 1e-4)  # so that the inside keeps its sign and stays finite


@dataclass(frozen=True)
class ContourConfig:
    """Sizes and readings of the sequence transformer; the defaults are SeqTR's published ones, for RefCOCO."""

    channels: int = 256  # d of the transformer
    heads: int = 8
    hidden: int = 1024  # of the feed-forward parts
    encoder_layers: int = 6
    decoder_layers: int = 3
    dropout: float = 0.1
    bins: int = 1000  # values that a coordinate can have
    points: int = 18  # most points of a contour; 12 for RefCOCO+ and RefCOCOg
    shuffle_share: float = 0.0  # of training images whose points come in random order; 0.2 with 12 points
    smoothing: float = 0.1  # of the labels
    end_weight: float = 0.1  # loss weight of end tokens
    bin_offset: float = 0.5  # position within its bin that a token decodes to: reading 0.5, the middle; published 0.0
    # ours, for encoders trained from scratch: positions are added to the image's tokens, not only to their keys. The
    # decoder reads values. Without this, values carry only the positions that the encoder learned from its padding.
    position_in_tokens: bool = False
    # ours, for short trainings: standard deviation, in bins, of the normal distribution that smooths coordinate labels
    label_spread: float = 0.0
    # ours, for short trainings: embeddings of coordinates start as sines, so that neighbouring bins start alike
    sine_codes: bool = False
    # ours: loss weight of the first point's two tokens. Only they say where the object is; later ones follow them.
    first_weight: float = 1.0
    cell_weight: float = 0.0  # ours: loss weight of a head on the memory's cells, see `cell_head`; 0: no head
    start_from_cells: bool = False  # ours: the decoder's first input is read where that head is most certain
    # ours: in training the decoder reads the true points plus a random walk with steps of this standard deviation, in
    # bins. At inference it continues its own points, which are slightly off; exact points do not prepare it for that.
    read_drift: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        kind = type(self).__name__
        for name in ("heads", "channels", "hidden", "encoder_layers", "decoder_layers", "bins", "points"):
            if getattr(self, name) < 1:
                raise ValueError(f"{kind}.{name}: expected at least 1, got {getattr(self, name)}")
        if self.channels % self.heads or self.channels % 4:
            raise ValueError(
                f"{kind}.channels: expected a multiple of heads ({self.heads}) and of 4, got {self.channels}"
            )
        for name in ("dropout", "shuffle_share", "smoothing", "end_weight", "bin_offset"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{kind}.{name}: expected 0 to 1, got {getattr(self, name)}")
        for name in ("label_spread", "first_weight", "cell_weight", "read_drift"):
            if getattr(self, name) < 0:
                raise ValueError(f"{kind}.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.start_from_cells and self.cell_weight == 0:
            raise ValueError(f"{kind}.start_from_cells: expected a cell_weight above 0 with it, got 0: set it")


@dataclass(frozen=True)
class SequenceExtras:
    """What the losses need besides the mask."""

    token_logits: Tensor  # (N, 2 points + 1, bins + 1)
    token_targets: Tensor  # (N, 2 points + 1), the true tokens
    cell_logits: Tensor | None  # (N, h, w) of the memory's cells; None without a cell head


class ContourModel(EncoderModel):
    """A model that encodes each pair into a memory (`build_memory`) and decodes a contour from it.

    Level 0 of its image features is the stem, from whose size the input's size is computed.
    """

    config: ContourConfig
    encoder: nn.ModuleList
    decoder: CoordinateDecoder

    def __init__(self, vision: VisionEncoder, text: TextEncoder | GruTextEncoder, config: ContourConfig) -> None:
        super().__init__(vision, text, config)
        self.cell_head = CellHead(config.channels, config.start_from_cells) if config.cell_weight > 0 else None

    @abstractmethod
    def build_memory(self, image: ImageFeatures, text: TextFeatures) -> Memory:
        """N rows of features and N rows of text -> what the decoder attends to."""

    def encode(self, tokens: Tensor, position: Tensor, pad_mask: Tensor, cells: tuple[int, int]) -> Memory:
        """Fused tokens (N, M, d), their positions (N, M, d) and padding (N, M) bool, through the encoder. cells: (h, w)
        of the image, whose tokens come first."""
        if self.config.position_in_tokens:
            tokens = tokens + position
        for layer in self.encoder:
            tokens = layer(tokens, position, pad_mask)
        memory = Memory(tokens, position, pad_mask, cells)
        return memory if self.cell_head is None else self.cell_head(memory)

    def targets(self, batch: ImageBatch) -> Tensor:
        """(N, 2 points) long: the contours of the true masks as tokens, filled up with end tokens."""
        seed = int(torch.randint(2**31, (), device="cpu").item()) if self.config.shuffle_share > 0 else 0
        return contour_tokens(
            batch.masks,
            padded_px(batch.valid_px[batch.frame_index], self.size_multiple),
            points=self.config.points,
            bins=self.config.bins,
            shuffle_share=self.config.shuffle_share,
            rng=np.random.default_rng(seed),
        )

    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Tensor | None = None) -> Prediction:
        """`targets` (N, 2 points) long: the true tokens, for teacher forcing. None: the model reads its own tokens."""
        memory = self.build_memory(image, text)
        if targets is None:
            generated = self.decoder.generate(memory)
            return self._to_prediction(generated.tokens, generated.logits, image)
        logits = self.decoder(memory, self._perturb(targets) if self.training else targets)
        end = torch.full_like(targets[:, :1], self.decoder.end)
        prediction = self._to_prediction(logits.argmax(-1), logits, image)
        return replace(prediction, extras=SequenceExtras(logits, torch.cat([targets, end], dim=1), memory.cell_logits))

    def _perturb(self, targets: Tensor) -> Tensor:
        """(N, 2 points) long: what the decoder reads in place of the true tokens, see `read_drift`; ends stay."""
        if self.config.read_drift == 0:
            return targets
        steps = self.config.read_drift * torch.randn(len(targets), self.config.points, 2, device=targets.device)
        perturbed = targets + steps.cumsum(1).flatten(1).round().long()
        return torch.where(targets == self.decoder.end, targets, perturbed.clamp(0, self.config.bins - 1))

    def _to_prediction(self, tokens: Tensor, logits: Tensor, image: ImageFeatures) -> Prediction:
        h, w = (4 * n for n in image.levels[0].shape[-2:])
        return contour_prediction(
            tokens,
            logits.detach(),
            size=(h, w),
            frame_px=padded_px(image.valid_px, self.size_multiple),
            offset=self.config.bin_offset,
        )

    def losses(self, prediction: Prediction, batch: ImageBatch) -> dict[str, Tensor]:
        """tokens: label-smoothed cross-entropy; cells: of the head, where there is one. Raises `ValueError` for a
        prediction made without targets."""
        extras = prediction.extras
        if not isinstance(extras, SequenceExtras):
            raise ValueError(
                f"{type(self).__name__}.losses: expected a prediction of training, got one made without targets"
            )
        c = self.config
        loss = token_loss(
            extras.token_logits,
            extras.token_targets,
            smoothing=c.smoothing,
            end_weight=c.end_weight,
            first_weight=c.first_weight,
            spread=c.label_spread,
        )
        if extras.cell_logits is None:
            return {"tokens": loss}
        return {"tokens": loss, "cells": c.cell_weight * cell_loss(extras.cell_logits, batch.masks)}


def transformer_encoder(config: ContourConfig) -> nn.ModuleList:
    """The layers that turn fused tokens into the memory."""
    return nn.ModuleList(
        EncoderLayer(config.channels, config.heads, config.hidden, config.dropout) for _ in range(config.encoder_layers)
    )


def contour_decoder(
    config: ContourConfig,
    *,
    task: nn.Embedding | None = None,
    co_content: CoContent | None = None,
    modulations: Sequence[PointModulation] = (),
) -> CoordinateDecoder:
    """The decoder that reads a contour out of the memory, with the parts that not every model has."""
    decoder = CoordinateDecoder(
        channels=config.channels,
        heads=config.heads,
        hidden=config.hidden,
        layers=config.decoder_layers,
        bins=config.bins,
        points=config.points,
        dropout=config.dropout,
        task=task,
        co_content=co_content,
        modulations=modulations,
    )
    if config.sine_codes:
        with torch.no_grad():
            decoder.embedding.weight[: config.bins].copy_(
                coordinate_codes(config.bins, config.channels, decoder.embedding.weight.device)
            )
    return decoder


def coordinate_codes(bins: int, channels: int, device: torch.device | None = None) -> Tensor:
    """(bins, channels): sines, then cosines, of the middle of each bin. Wavelengths form a geometric sequence from 4
    down to 1/16 of the image's side."""
    middle = (torch.arange(bins, device=device) + 0.5) / bins
    turns = 2.0 ** torch.linspace(-2, 4, channels // 2, device=device)
    angle = 2 * math.pi * middle[:, None] * turns
    return torch.cat([angle.sin(), angle.cos()], 1)


def padded_px(valid_px: Tensor, multiple: int) -> Tensor:
    """(N, 2) sizes -> (N, 2): each side up to the next multiple."""
    return (valid_px + multiple - 1).div(multiple, rounding_mode="floor") * multiple


def contour_tokens(
    masks: Tensor, frame_px: Tensor, *, points: int, bins: int, shuffle_share: float, rng: np.random.Generator
) -> Tensor:
    """(N, H, W) masks in {0, 1} -> (N, 2 points) long: x1, y1, ... of the largest part, then `bins` = end.

    frame_px: (N, 2) sides that coordinates are relative to. A row's points are in random order with probability
    `shuffle_share`, else in the outline's. An empty mask is all end, and so is an outline that encloses no area, a
    line or a single pixel.
    """
    rows = np.full((len(masks), 2 * points), bins, np.int64)
    sizes = frame_px.tolist()
    for row, mask, (height, width) in zip(rows, masks.cpu().numpy() > 0.5, sizes, strict=True):
        outline = largest_outline(mask)
        if not encloses_area(outline):
            continue
        chosen = sample_points(outline, points)
        if shuffle_share > 0 and rng.random() < shuffle_share:
            chosen = shuffle_points(chosen, rng)
        row[: chosen.size] = quantise(chosen, (height, width), bins).reshape(-1)
    return torch.from_numpy(rows).to(masks.device)


def contour_prediction(
    tokens: Tensor, logits: Tensor, *, size: tuple[int, int], frame_px: Tensor, offset: float
) -> Prediction:
    """Tokens (N, S) and the logits (N, S, bins + 1) they were chosen from -> masks, presence and score.

    size: (H, W) of the input; frame_px: (N, 2) sides that coordinates are relative to.
    score: mean probability of the tokens before the end, 0 where there is none.
    presence_logit: log-odds at the first step of any coordinate against the end, which means that there is no target.
    mask_logits: `soft_mask` of the filled contour.
    """
    end = logits.shape[2] - 1
    used = used_tokens(tokens, end)
    log_probs = logits.float().log_softmax(-1)
    likely = log_probs.gather(2, tokens[..., None])[..., 0].exp()
    score = (likely * used).sum(1) / used.sum(1).clamp(min=1)
    presence_logit = log_probs[:, 0, :end].logsumexp(-1) - log_probs[:, 0, end]
    filled = np.zeros((len(tokens), *size), bool)
    for i, points in enumerate(contours_of(tokens, frame_px, bins=end, offset=offset)):
        if len(points):
            filled[i] = rasterise([points], size)
    mask = torch.from_numpy(filled).to(logits.device)
    return Prediction(
        mask_logits=soft_mask(mask, score).to(logits.dtype),
        presence_logit=presence_logit.to(logits.dtype),
        score=score.to(logits.dtype),
    )


def used_tokens(tokens: Tensor, end: int) -> Tensor:
    """(N, S) long -> (N, S) in {0, 1}: before the first end; an odd coordinate at the tail is dropped."""
    used = (tokens != end).cumprod(1)
    return used * (torch.arange(tokens.shape[1], device=tokens.device) < used.sum(1, keepdim=True) // 2 * 2)


def contours_of(tokens: Tensor, frame_px: Tensor, *, bins: int, offset: float) -> list[np.ndarray]:
    """Tokens (N, S) -> N contours (P_i, 2) float, x and y in pixels of the input; (0, 2) where there is none."""
    counts, sides = used_tokens(tokens, bins).sum(1).tolist(), frame_px.tolist()
    return [
        dequantise(row[:count].reshape(-1, 2), (height, width), bins, offset)
        for row, count, (height, width) in zip(tokens.cpu().numpy(), counts, sides, strict=True)
    ]


def soft_mask(mask: Tensor, score: Tensor) -> Tensor:
    """(N, H, W) bool and (N,) scores -> (N, H/4, W/4) logits of probability 0.5 + 0.5 score inside and 0 far outside.

    Let a = logit(0.5 + 0.5 score). A cell of which the mask covers a share c > 0 gets a (2 c - 1), its uncovered
    neighbours get -a, and all other cells `OUTSIDE`. So the upsampled logits cross zero on the contour; with `OUTSIDE`
    right beside it, the mask would shrink. Where a mask covers half of no cell, shares are divided by the largest one.
    """
    share = F.avg_pool2d(mask[:, None].float(), 4)
    peak = share.amax((2, 3), keepdim=True)
    share = share / torch.where((peak > 0) & (peak < 0.5), peak, torch.ones_like(peak))
    near = F.max_pool2d(share, 3, stride=1, padding=1) > 0
    inside = (0.5 + 0.5 * score.float().clamp(*_SCORES)).logit()[:, None, None, None]
    return torch.where(near, inside * (2 * share - 1), torch.full_like(share, OUTSIDE))[:, 0]


def token_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    smoothing: float,
    end_weight: float,
    first_weight: float = 1.0,
    spread: float = 0.0,
) -> Tensor:
    """Label-smoothed cross-entropy, summed and divided by the number of tokens.

    logits: (N, S, V); targets: (N, S) long. The target has probability 1 - smoothing, every other token smoothing / V.
    A position weighs `end_weight` where the target is the end (V - 1), and the first two positions `first_weight` times
    as much. spread: above 0, a normal distribution of this standard deviation, in bins, divides a coordinate's
    1 - smoothing among the bins around it; the end token takes no part in that.
    """
    log_probs = logits.float().log_softmax(-1)
    size = log_probs.shape[-1]
    if spread > 0:
        bins = torch.arange(size, device=logits.device)
        near = torch.exp(-(((bins[:, None] - bins) / spread) ** 2) / 2)
        near[-1], near[:, -1] = 0, 0
        near[-1, -1] = 1
        log_likelihood = (log_probs * (near / near.sum(1, keepdim=True))[targets]).sum(-1)
    else:
        log_likelihood = log_probs.gather(2, targets[..., None])[..., 0]
    uniform = smoothing / size
    values = (1 - smoothing) * log_likelihood + uniform * (log_probs.sum(-1) - log_likelihood)
    weights = torch.where(targets == size - 1, end_weight, 1.0)
    weights[:, :2] *= first_weight
    return -(values * weights).sum() / max(1, targets.numel())
