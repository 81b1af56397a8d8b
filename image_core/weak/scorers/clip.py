"""CLIP, SigLIP or SigLIP 2 from transformers as SpARC's scorer, one model or several whose logits are summed.

The published ensemble is CLIP ViT-B/32 with RN50x16. transformers has only the ViT models of CLIP, so the second cannot
be used here; the nearest is "openai/clip-vit-base-patch32" with "openai/clip-vit-base-patch16".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from image_core.device_names import Precision
from image_core.errors import ConfigError
from image_core.hub.loading import Network, Placement, read_network
from image_core.hub.sources import find_source

_CLASSES_OF = {
    "clip": ("CLIPModel", "CLIPProcessor"),
    "siglip": ("SiglipModel", "SiglipProcessor"),
    "siglip2": ("Siglip2Model", "Siglip2Processor"),
}
SCORERS = tuple(_CLASSES_OF)
"""Values of `model_type` in config.json."""


class ClipScorer:
    """A `Scorer`: the sum over the models of their logits, cosine times the learned temperature.

    names: OWNER/NAME of the hub or local folders; batch: images at once. Raises `ConfigError` without a name, for
    something else than CLIP or SigLIP and as `Placement` does, `CheckpointError` where the hub cannot be reached or a
    folder lacks a file.
    """

    def __init__(
        self, names: Sequence[str], *, device: str = "auto", precision: Precision = "fp32", batch: int = 16
    ) -> None:
        if not names:
            raise ConfigError("CLIP: expected a hub name or a folder, got no name")
        self.batch = batch
        self._members = [_read(name, Placement(device, precision)) for name in names]

    def scores(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
        """N images (h, w, 3) uint8 RGB of any sizes and E texts -> (N, E) float64 logits. A text's logits do not
        depend on the others; with `batch` 1 a image's do not depend on the other images, bit for bit."""
        return sum((self._logits(network, images, texts) for network in self._members), np.zeros(()))

    def _logits(self, network: Network, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
        model = network.model
        with network.inference():
            text_embeddings = torch.cat([self._text(network, text) for text in texts])
            image_embeddings = torch.cat(
                [
                    _direction(model.get_image_features(**network.preprocess(list(images[start : start + self.batch]))))
                    for start in range(0, len(images), self.batch)
                ]
            )
            cosines = (image_embeddings[:, None] * text_embeddings[None]).sum(-1)
            bias = getattr(model, "logit_bias", None)  # SigLIP's
            logits = cosines * model.logit_scale.double().exp() + (0 if bias is None else bias.double())
        return logits.cpu().numpy()

    def _text(self, network: Network, text: str) -> Tensor:
        """(1, C): the text's embedding, of length 1."""
        config = network.model.config
        # SigLIP was trained on texts padded to one length, and attends to the padding.
        tokens = network.processor.tokenizer(
            text,
            padding=False if config.model_type == "clip" else "max_length",
            truncation=True,
            max_length=config.text_config.max_position_embeddings,
            return_tensors="pt",
        )
        return _direction(network.model.get_text_features(**tokens.to(network.device)))


def _direction(features: Any) -> Tensor:
    """The output of an encoder -> (N, C) float64, rows of length 1."""
    return torch.nn.functional.normalize(features.pooler_output.double(), dim=-1)


def _read(name: str, where: Placement) -> Network:
    source = find_source(name)
    if source.model_type not in SCORERS:
        raise ConfigError(f"CLIP '{name}': expected a model of type {', '.join(SCORERS)}, got '{source.model_type}'")
    return read_network(source, *_CLASSES_OF[source.model_type], where)
