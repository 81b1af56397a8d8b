"""The types of tensors that the parts of `image_core` exchange (`sample` has that of images). Frozen and checked.

Letters: F frames (images) of a call, E expressions, N frame-expression pairs, H W pixels, C channels, L words,
P contour points. Sizes are always (height, width). `*_pad_mask` is True on padding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from image_core.sample import check_shape


@dataclass(frozen=True)
class TextFeatures:
    """E encoded expressions.

    words: (E, L, C) float, one vector a word piece; sentence: (E, C) float, one vector an expression;
    word_pad_mask: (E, L) bool, True on padding. Every row has at least one word.
    """

    words: Tensor
    sentence: Tensor
    word_pad_mask: Tensor

    def __post_init__(self) -> None:
        check_shape("TextFeatures", "words", self.words, (None, None, None))
        e, length, _ = self.words.shape
        check_shape("TextFeatures", "sentence", self.sentence, (e, None))
        check_shape("TextFeatures", "word_pad_mask", self.word_pad_mask, (e, length))
        if self.word_pad_mask.dtype != torch.bool:
            raise ValueError(f"TextFeatures.word_pad_mask: expected torch.bool, got {self.word_pad_mask.dtype}")

    def __len__(self) -> int:
        return self.words.shape[0]

    def select(self, index: Tensor) -> TextFeatures:
        """The rows `index` (N,) in that order; rows may repeat."""
        return TextFeatures(self.words[index], self.sentence[index], self.word_pad_mask[index])


@dataclass(frozen=True)
class ImageFeatures:
    """N encoded images (late fusion) or frame-expression pairs (early fusion).

    Raises `ValueError` for levels that do not fit their strides, or each other.
    """

    #: Maps (N, C_i, H / strides[i], W / strides[i]), fine to coarse; or tokens (N, L_i, C_i), whose stride is None.
    levels: tuple[Tensor, ...]
    #: Input pixels per cell of each map, None for tokens.
    strides: tuple[int | None, ...]
    #: (N, 2) long, (height, width) of each input before padding.
    valid_px: Tensor
    #: The text after fusion, for models that change it inside the encoder.
    words: TextFeatures | None = None
    #: (N, heads, h*w, L), for models that are trained on it.
    attention: Tensor | None = None
    #: What `FeatureModel.precompute` computed from the levels, tensors of N rows; () where `decode` still has to.
    #: The name is a key of saved states.
    made: tuple[tuple[Tensor, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.levels or len(self.levels) != len(self.strides):
            raise ValueError(
                f"ImageFeatures: expected a stride for each level, got {len(self.levels)} levels and "
                f"{len(self.strides)} strides"
            )
        n = self.levels[0].shape[0]
        for i, (level, stride) in enumerate(zip(self.levels, self.strides, strict=True)):
            check_shape(
                "ImageFeatures", f"levels[{i}]", level, (n, None, None) if stride is None else (n, None, None, None)
            )
        check_shape("ImageFeatures", "valid_px", self.valid_px, (n, 2))

    @property
    def maps(self) -> tuple[tuple[int, Tensor], ...]:
        """(stride, level) of the levels that are maps and no tokens: only these can be warped."""
        pairs = zip(self.strides, self.levels, strict=True)
        return tuple((stride, level) for stride, level in pairs if stride is not None)

    def with_maps(self, maps: Iterable[Tensor]) -> ImageFeatures:
        """A copy with other maps, in the order of `maps`. Tokens are kept; `made` is cleared, for it came from the old
        maps."""
        fresh = iter(maps)
        pairs = zip(self.strides, self.levels, strict=True)
        levels = tuple(level if stride is None else next(fresh) for stride, level in pairs)
        return replace(self, levels=levels, made=())

    def __len__(self) -> int:
        return self.levels[0].shape[0]

    def select(self, index: Tensor) -> ImageFeatures:
        """The rows `index` (N,) in that order; rows may repeat. One image for all pairs is expanded, not copied."""
        n = index.shape[0]

        def pick(x: Tensor) -> Tensor:
            return x.expand(n, *x.shape[1:]) if x.shape[0] == 1 else x[index]

        return ImageFeatures(
            levels=tuple(pick(level) for level in self.levels),
            strides=self.strides,
            valid_px=pick(self.valid_px),
            words=None if self.words is None else self.words.select(index),
            attention=None if self.attention is None else pick(self.attention),
            made=tuple(tuple(map(pick, part)) for part in self.made),
        )


@dataclass(frozen=True)
class Prediction:
    """The outputs of a model for N frame-expression pairs, as tensors. Raises `ValueError` for lengths that differ."""

    #: (N, h, w) raw, a cell every `mask_stride` pixels of the input, padding included.
    mask_logits: Tensor
    #: (N,) raw, > 0 means that the expression has a target.
    presence_logit: Tensor
    #: (N,) in [0, 1], confidence in the mask.
    score: Tensor
    #: What the model's own losses need besides, in training.
    extras: Any = None

    def __post_init__(self) -> None:
        check_shape("Prediction", "mask_logits", self.mask_logits, (None, None, None))
        n = self.mask_logits.shape[0]
        check_shape("Prediction", "presence_logit", self.presence_logit, (n,))
        check_shape("Prediction", "score", self.score, (n,))

    def __len__(self) -> int:
        return self.mask_logits.shape[0]


@dataclass(frozen=True)
class ImageBatch:
    """F images and the N expressions asked of them, ready for a model.

    Raises `ValueError` for lengths that differ.
    """

    #: (F, 3, H, W) float, normalised.
    images: Tensor
    #: (F, 2) long, (height, width) before padding.
    valid_px: Tensor
    #: N texts.
    expressions: tuple[str, ...]
    #: (N,) long, the image that each expression belongs to.
    frame_index: Tensor
    #: (N, H, W) float in {0, 1}.
    masks: Tensor
    #: N names.
    families: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        check_shape("ImageBatch", "images", self.images, (None, 3, None, None))
        f, _, h, w = self.images.shape
        n = len(self.expressions)
        check_shape("ImageBatch", "valid_px", self.valid_px, (f, 2))
        check_shape("ImageBatch", "frame_index", self.frame_index, (n,))
        check_shape("ImageBatch", "masks", self.masks, (n, h, w))

    def __len__(self) -> int:
        return len(self.expressions)

    @property
    def has_target(self) -> Tensor:
        """(N,) bool: the true mask is not empty."""
        return self.masks.flatten(1).amax(1) > 0

    def to(self, device: torch.device | str) -> ImageBatch:
        """The same batch with every tensor on `device`."""
        return replace(
            self,
            images=self.images.to(device, non_blocking=True),
            valid_px=self.valid_px.to(device),
            frame_index=self.frame_index.to(device),
            masks=self.masks.to(device, non_blocking=True),
        )


def size_of(images: Tensor, multiple: int) -> tuple[int, int]:
    """(H, W) of a batch of images. Raises `ValueError` unless both divide by `multiple`."""
    h, w = images.shape[-2:]
    if h % multiple or w % multiple:
        raise ValueError(f"images: expected height and width divisible by {multiple}, got {h} x {w} px")
    return h, w
