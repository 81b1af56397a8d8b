"""What a propagator remembers as bytes and back: a flat table of named tensors, written as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from image_core.types import ImageFeatures, TextFeatures


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Named tensors of any dtype, on any device; nothing is rounded."""
    # A copy each, in plain order: neither parts of one larger tensor nor channels-last ones are written otherwise.
    copies = {n: t.detach().cpu().clone(memory_format=torch.contiguous_format) for n, t in tensors.items()}
    return safetensors.torch.save(copies)


def from_bytes(data: bytes, device: torch.device | str) -> dict[str, Tensor]:
    """The inverse of `to_bytes`. Raises `ValueError` for bytes that it did not write."""
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise ValueError(f"propagation state: came {len(data)} bytes that are damaged ({error})") from error
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def in_plain_order(features: ImageFeatures) -> ImageFeatures:
    """The same features, laid out in memory as they will be read back: what goes on from a snapshot has to add up the
    same numbers in the same order as what was never stopped, and channels-last encoders lay theirs out otherwise."""
    return replace(features, levels=tuple(level.contiguous() for level in features.levels))


def pack_features(features: ImageFeatures) -> dict[str, Tensor]:
    """Features as named tensors."""
    tensors = {f"level.{i}": level for i, level in enumerate(features.levels)}
    tensors |= {"strides": torch.tensor(features.strides), "valid_px": features.valid_px}
    if features.words is not None:
        words = features.words
        tensors |= {"words": words.words, "sentence": words.sentence, "word_pad_mask": words.word_pad_mask}
    if features.attention is not None:
        tensors["attention"] = features.attention
    return tensors


def unpack_features(tensors: Mapping[str, Tensor]) -> ImageFeatures:
    """The inverse of `pack_features`. Raises `ValueError` where something is missing or does not fit."""
    try:
        strides = tuple(tensors["strides"].tolist())
        words = None
        if "words" in tensors:
            words = TextFeatures(tensors["words"], tensors["sentence"], tensors["word_pad_mask"])
        levels = tuple(tensors[f"level.{i}"] for i in range(len(strides)))
        return ImageFeatures(levels, strides, tensors["valid_px"], words, tensors.get("attention"))
    except KeyError as error:
        raise ValueError(f"propagation state: came {sorted(tensors)}, wanted {error} among them") from error
