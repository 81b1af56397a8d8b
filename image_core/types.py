"""The types that cross a border of `image_core`. Frozen, checked at birth; this file imports nothing of ours.

Letters: F frames (images) of a call, E expressions, N frame-expression pairs, H W pixels, C channels, L words,
P contour points. Sizes are always (height, width). `*_pad_mask` is True on padding.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor


def _check(owner: str, name: str, value: Tensor | np.ndarray, shape: tuple[int | None, ...]) -> None:
    """Raise `ValueError` unless `value` has the rank and the fixed lengths of `shape` (None = any length)."""
    came = tuple(value.shape)
    fits = len(came) == len(shape) and all(w is None or c == w for c, w in zip(came, shape, strict=True))
    if not fits:
        wanted = "(" + ", ".join("any" if w is None else str(w) for w in shape) + ")"
        raise ValueError(f"{owner}.{name}: came {came}, wanted {wanted}")


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
        _check("TextFeatures", "words", self.words, (None, None, None))
        e, length, _ = self.words.shape
        _check("TextFeatures", "sentence", self.sentence, (e, None))
        _check("TextFeatures", "word_pad_mask", self.word_pad_mask, (e, length))
        if self.word_pad_mask.dtype != torch.bool:
            raise ValueError(f"TextFeatures.word_pad_mask: came {self.word_pad_mask.dtype}, wanted torch.bool")

    def __len__(self) -> int:
        return self.words.shape[0]

    def select(self, index: Tensor) -> TextFeatures:
        """The rows `index` (N,) in that order; rows may repeat."""
        return TextFeatures(self.words[index], self.sentence[index], self.word_pad_mask[index])


@dataclass(frozen=True)
class ImageFeatures:
    """N encoded images (late fusion) or frame-expression pairs (early fusion), fine to coarse.

    levels: tuple of (N, C_i, H / strides[i], W / strides[i]); strides: pixels per cell;
    valid_px: (N, 2) long, (height, width) of each input before padding;
    words: the text after fusion, for models that change it inside the encoder; attention: (N, heads, h*w, L) or None.
    """

    levels: tuple[Tensor, ...]
    strides: tuple[int, ...]
    valid_px: Tensor
    words: TextFeatures | None = None
    attention: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.levels or len(self.levels) != len(self.strides):
            raise ValueError(
                f"ImageFeatures: came {len(self.levels)} levels, {len(self.strides)} strides: wanted as many"
            )
        n = self.levels[0].shape[0]
        for i, level in enumerate(self.levels):
            _check("ImageFeatures", f"levels[{i}]", level, (n, None, None, None))
        _check("ImageFeatures", "valid_px", self.valid_px, (n, 2))

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
        )


@dataclass(frozen=True)
class Prediction:
    """What a model says of N frame-expression pairs.

    mask_logits: (N, H/4, W/4) raw; presence_logit: (N,) raw, > 0 means the expression has a target;
    score: (N,) in [0, 1], the model's confidence in its mask;
    contour: (N, P, 2) x, y in [0, 1] of the unpadded input, or None; extras: a model's own typed training outputs.
    """

    mask_logits: Tensor
    presence_logit: Tensor
    score: Tensor
    contour: Tensor | None = None
    extras: Any = None

    def __post_init__(self) -> None:
        _check("Prediction", "mask_logits", self.mask_logits, (None, None, None))
        n = self.mask_logits.shape[0]
        _check("Prediction", "presence_logit", self.presence_logit, (n,))
        _check("Prediction", "score", self.score, (n,))
        if self.contour is not None:
            _check("Prediction", "contour", self.contour, (n, None, 2))

    def __len__(self) -> int:
        return self.mask_logits.shape[0]


@dataclass(frozen=True)
class ImageSample:
    """One picture with its E expressions and their true masks.

    image: (H, W, 3) uint8 RGB; expressions: E sentences; masks: (E, H, W) bool, all False where the expression has no
    target; families: E names of the kind of expression ("" where the data does not tell); sample_id: unique in a split;
    expression_ids: E names, unique in the split (filled from `sample_id` when left empty).
    """

    image: np.ndarray
    expressions: tuple[str, ...]
    masks: np.ndarray
    sample_id: str
    families: tuple[str, ...] = ()
    expression_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check("ImageSample", "image", self.image, (None, None, 3))
        if self.image.dtype != np.uint8:
            raise ValueError(f"ImageSample.image: came {self.image.dtype}, wanted uint8")
        e = len(self.expressions)
        _check("ImageSample", "masks", self.masks, (e, *self.image.shape[:2]))
        if self.masks.dtype != np.bool_:
            raise ValueError(f"ImageSample.masks: came {self.masks.dtype}, wanted bool")
        if not self.families:
            object.__setattr__(self, "families", ("",) * e)
        if not self.expression_ids:
            object.__setattr__(self, "expression_ids", tuple(f"{self.sample_id}_{i}" for i in range(e)))
        for name in ("families", "expression_ids"):
            if len(getattr(self, name)) != e:
                raise ValueError(f"ImageSample.{name}: came {len(getattr(self, name))}, wanted {e} (one an expression)")


@dataclass(frozen=True)
class ImageBatch:
    """F pictures and the N expressions asked of them, ready for a model.

    images: (F, 3, H, W) float, normalised; valid_px: (F, 2) long, (height, width) before padding;
    expressions: N sentences; frame_index: (N,) long, which picture each expression belongs to;
    masks: (N, H, W) float in {0, 1}; families: N names.
    """

    images: Tensor
    valid_px: Tensor
    expressions: tuple[str, ...]
    frame_index: Tensor
    masks: Tensor
    families: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        _check("ImageBatch", "images", self.images, (None, 3, None, None))
        f, _, h, w = self.images.shape
        n = len(self.expressions)
        _check("ImageBatch", "valid_px", self.valid_px, (f, 2))
        _check("ImageBatch", "frame_index", self.frame_index, (n,))
        _check("ImageBatch", "masks", self.masks, (n, h, w))

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
        raise ValueError(f"images: came {h} x {w} px, wanted height and width divisible by {multiple}")
    return h, w
