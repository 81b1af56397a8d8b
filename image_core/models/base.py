"""Interfaces of the image models of this package: `FeatureModel` for inference, `Trainable` for training.

A model that is only used needs neither: it implements the smaller interface of `image_core.mask_model`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from image_core.encoders.gru import GruTextEncoder
from image_core.encoders.text import TextEncoder
from image_core.encoders.vision import VisionEncoder
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures, size_of


class FeatureModel(nn.Module, ABC):
    """A referring image segmentation model in four steps: encode text, encode a stem, encode an image, decode pairs.

    The steps are separate so that frames and expressions can share features. Models are built from parts by keyword,
    hold no state between calls, and know neither configuration files nor data. `presence_scale` and `presence_offset`
    calibrate `presence_logit`. They are fitted on a validation split and stored in the checkpoint, so that the
    probabilities of different models can be compared.
    """

    fuses_language_in_encoder: ClassVar[bool] = False
    """Early fusion: the image is encoded for each expression."""
    max_pairs: int = 16
    """Early fusion only: frame-expression pairs that one pass of the encoder takes at a time."""
    stem_stride: int = 4
    """Input pixels per cell of what `encode_stem` gives."""
    mask_stride: int = 4
    """Input pixels per cell of `Prediction.mask_logits`."""

    presence_scale: Tensor
    presence_offset: Tensor

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("presence_scale", torch.ones(()))
        self.register_buffer("presence_offset", torch.zeros(()))

    @property
    @abstractmethod
    def size_multiple(self) -> int:
        """Input height and width must divide by this many pixels."""

    @abstractmethod
    def encode_text(self, expressions: Sequence[str]) -> TextFeatures:
        """E texts -> words (E, L, C), sentence (E, C), padding mask (E, L)."""

    @abstractmethod
    def encode_stem(self, images: Tensor) -> Tensor:
        """(F, 3, H, W) -> (F, C0, H / stem_stride, W / stem_stride): language-free, cheap in every model."""

    @abstractmethod
    def encode_image(
        self,
        images: Tensor,
        text: TextFeatures | None = None,
        *,
        stem: Tensor | None = None,
        valid_px: Tensor | None = None,
    ) -> ImageFeatures:
        """The encoder. Late fusion: `images` (F, 3, H, W) alone gives F rows. Early fusion: F x E, frame by frame.

        `stem` is what `encode_stem` gave for the same images, to save doing it twice; `valid_px` (F, 2) defaults to
        the whole input. Levels are maps of any strides, or tokens.
        """

    def precompute(self, image: ImageFeatures) -> ImageFeatures:
        """The features, with everything that `decode` computes from the image alone, so that it is computed once for
        many expressions. By default the features unchanged."""
        return image

    @abstractmethod
    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Any = None) -> Prediction:
        """N rows of features and N rows of text -> N predictions. `targets` serves teacher forcing alone."""

    def presence_probs(self, prediction: Prediction) -> Tensor:
        """(N,) float64, calibrated probability in [0, 1] that each expression has a target in its image.

        In double precision, so that a confident answer is not rounded to 1 and the logit can be recovered from it.
        """
        return torch.sigmoid(prediction.presence_logit.double() * self.presence_scale + self.presence_offset)


class Trainable(FeatureModel):
    """A `FeatureModel` that can be trained: it defines its losses and, for teacher forcing, its targets."""

    @abstractmethod
    def losses(self, prediction: Prediction, batch: ImageBatch) -> dict[str, Tensor]:
        """Weighted scalars by name; their sum is what training minimises."""

    def targets(self, batch: ImageBatch) -> Any:
        """The `targets` of `decode` in training. None for models without teacher forcing."""
        return None

    def forward(self, batch: ImageBatch) -> Prediction:
        """All steps: N predictions in the order of `batch.expressions`. Equal expressions are encoded once."""
        unique = list(dict.fromkeys(batch.expressions))
        rank = {expression: i for i, expression in enumerate(unique)}
        text_index = torch.tensor([rank[e] for e in batch.expressions], device=batch.images.device)
        text = self.encode_text(unique).select(text_index)
        targets = self.targets(batch) if self.training else None
        features = self.encode_pairs(batch.images, text, batch.frame_index, valid_px=batch.valid_px)
        return self.decode(features, text, targets)

    def encode_pairs(
        self, images: Tensor, text: TextFeatures, frame_index: Tensor, *, valid_px: Tensor | None = None
    ) -> ImageFeatures:
        """Features of N pairs: row i of `text` with image `frame_index[i]`, in that order.

        By default an early-fusion model encodes one image at a time, with at most `max_pairs` of its expressions.
        A model that can fuse pairs of several images in one pass overrides this; the result is the same.
        """
        if not self.fuses_language_in_encoder:
            return self.encode_image(images, valid_px=valid_px).select(frame_index)
        features, order = [], []
        for frame in range(len(images)):
            for rows in (frame_index == frame).nonzero()[:, 0].split(self.max_pairs):
                if len(rows):
                    own_px = None if valid_px is None else valid_px[frame : frame + 1]
                    features.append(self.encode_image(images[frame : frame + 1], text.select(rows), valid_px=own_px))
                    order.append(rows)
        joined = join_features(features)
        return joined if len(joined) == 1 else joined.select(torch.cat(order).argsort())


class EncoderModel(Trainable):
    """A model of a vision and a text encoder, each given as a part."""

    text: TextEncoder | GruTextEncoder

    def __init__(self, vision: VisionEncoder, text: TextEncoder | GruTextEncoder, config: Any) -> None:
        super().__init__(config)
        self.vision, self.text = vision, text

    @property
    def size_multiple(self) -> int:
        return self.vision.size_multiple

    def encode_text(self, expressions: Sequence[str]) -> TextFeatures:
        return self.text(expressions)

    def encode_stem(self, images: Tensor) -> Tensor:
        return self.vision.stem(images)

    def tokenizer_json(self) -> str:
        """The serialised tokenizer, which a model file contains."""
        return self.text.tokenizer_json()


class EarlyFusionModel(EncoderModel):
    """A model that fuses the words inside its vision encoder. The layers before fusion run once an image, the others
    once for each frame-expression pair, at most `max_pairs` pairs at a time."""

    fuses_language_in_encoder = True

    @abstractmethod
    def encode_before_fusion(self, stem: Tensor) -> tuple[Tensor, ...]:
        """The stem of F images -> all features that are computed before fusion, F rows of each tensor."""

    @abstractmethod
    def encode_fused(self, before: tuple[Tensor, ...], text: TextFeatures, valid_px: Tensor) -> ImageFeatures:
        """N rows of `encode_before_fusion` and N rows of text -> the features of N pairs."""

    def encode_image(
        self,
        images: Tensor,
        text: TextFeatures | None = None,
        *,
        stem: Tensor | None = None,
        valid_px: Tensor | None = None,
    ) -> ImageFeatures:
        """F images x E rows of `text`, frame by frame. Raises `ValueError` without text."""
        if text is None:
            name = type(self).__name__
            raise ValueError(f"{name}.encode_image: expected the text, which is fused in the encoder, got none")
        count, rows = len(images), len(text)
        frames = torch.arange(count, device=images.device).repeat_interleave(rows)
        pairs = text.select(torch.arange(rows, device=images.device).repeat(count))
        return self.encode_pairs(images, pairs, frames, stem=stem, valid_px=valid_px)

    def encode_pairs(
        self,
        images: Tensor,
        text: TextFeatures,
        frame_index: Tensor,
        *,
        stem: Tensor | None = None,
        valid_px: Tensor | None = None,
    ) -> ImageFeatures:
        """Features of N pairs: row i of `text` with image `frame_index[i]`, pairs of several images in one pass.
        Raises `ValueError` for images whose sides are no multiple of `size_multiple`."""
        size_of(images, self.size_multiple)
        valid_px = whole_px(images, valid_px)
        before = self.encode_before_fusion(self.vision.stem(images) if stem is None else stem)
        parts = []
        for rows in torch.arange(len(text), device=images.device).split(self.max_pairs):
            frames = frame_index[rows]
            chosen = tuple(tensor[frames] for tensor in before)
            parts.append(self.encode_fused(chosen, text.select(rows), valid_px[frames]))
        return join_features(parts)


def whole_px(images: Tensor, valid_px: Tensor | None) -> Tensor:
    """(F, 2) long, (height, width): `valid_px`, or if it is None the whole size of the images (F, 3, H, W)."""
    if valid_px is not None:
        return valid_px
    return torch.tensor([images.shape[-2:]], device=images.device).expand(images.shape[0], 2)


def join_features(parts: Sequence[ImageFeatures]) -> ImageFeatures:
    """The rows of all parts, concatenated in order. A single part is returned as it is. Raises `ValueError` when their
    strides differ."""
    if len(parts) == 1:
        return parts[0]
    if len({part.strides for part in parts}) != 1:
        raise ValueError(f"join_features: expected one set of strides, got {[p.strides for p in parts]}")
    words = [part.words for part in parts]
    joined = None
    if all(w is not None for w in words):
        joined = TextFeatures(
            words=torch.cat([w.words for w in words if w is not None]),
            sentence=torch.cat([w.sentence for w in words if w is not None]),
            word_pad_mask=torch.cat([w.word_pad_mask for w in words if w is not None]),
        )
    attention = [part.attention for part in parts]
    return ImageFeatures(
        levels=tuple(torch.cat([part.levels[i] for part in parts]) for i in range(len(parts[0].levels))),
        strides=parts[0].strides,
        valid_px=torch.cat([part.valid_px for part in parts]),
        words=joined,
        attention=torch.cat([a for a in attention if a is not None]) if all(a is not None for a in attention) else None,
    )


def split_features(features: ImageFeatures, parts: int) -> list[ImageFeatures]:
    """The N rows split into `parts` of N / parts rows each, in order."""
    if parts == 1:
        return [features]
    rows = torch.arange(len(features), device=features.valid_px.device)
    return [features.select(part) for part in rows.split(len(features) // parts)]
