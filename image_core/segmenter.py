"""A `FeatureModel` as a `MaskModel`: one image and some expressions in, answers out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from image_core.answer import DenseMap, MaskAnswer
from image_core.checkpoint import Provenance, load_model
from image_core.data.words import check_expressions, words_of
from image_core.device import autocast, resolve_device, resolve_precision
from image_core.device_names import Precision
from image_core.identity import ModelIdentity, file_identity, name_of
from image_core.models.base import FeatureModel, join_features
from image_core.preprocessing import Preprocessing
from image_core.types import ImageFeatures, Prediction, TextFeatures
from image_core.weights import find_model


class ImageSegmenter:
    """A model with its preprocessing, on a device.

    >>> segmenter = ImageSegmenter.load("s2rm_tiny")
    >>> answer, = segmenter.segment(image, ["the red circle on the left"])
    >>> answer.mask(image.shape[:2])
    """

    def __init__(
        self,
        model: FeatureModel,
        preprocessing: Preprocessing,
        device: torch.device | str = "cpu",
        precision: Precision = "fp32",
        *,
        provenance: Provenance | None = None,
        identity: ModelIdentity | None = None,
    ) -> None:
        """identity: the result of `describe`; by default the name of the model's class."""
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        # Channels last: convolutions and attention then use the same memory layout, and nothing is copied between them.
        self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  (torch's stub lacks it)
        self.preprocessing = preprocessing
        self.provenance = provenance or Provenance()
        self.precision: Precision = precision
        self._identity = identity or ModelIdentity(name_of(type(model)), adapter="feature_model")

    @classmethod
    def load(cls, name_or_path: str | Path, device: str = "auto", precision: Precision = "fp32") -> ImageSegmenter:
        """An embedded model by name, or any model file. Raises `UnknownNameError` or `CheckpointError`, and
        `ConfigError` for a device that is not there or does not compute in this precision."""
        where, path = resolve_device(device), find_model(name_or_path)
        precision = resolve_precision(precision, where)
        loaded = load_model(path, where)
        return cls(
            loaded.model,
            loaded.preprocessing,
            where,
            precision,
            provenance=loaded.provenance,
            identity=file_identity(str(name_or_path), path),
        )

    def describe(self) -> ModelIdentity:
        """What a run records of this model."""
        return self._identity

    @property
    def vocabulary(self) -> frozenset[str] | None:
        """The words of the training expressions, lower case, or None where that is not known."""
        words = self.provenance.words
        return None if words is None else frozenset(words)

    def unseen_words(self, expressions: Sequence[str]) -> list[str]:
        """The words of `expressions` that training never showed, each once, in order; [] where that is not known."""
        if self.vocabulary is None:
            return []
        words = (word for text in expressions for word in words_of(text))
        return [word for word in dict.fromkeys(words) if word not in self.vocabulary]

    @torch.inference_mode()
    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        """(H, W, 3) uint8 RGB and E expressions -> E answers. The image is encoded once for late-fusion models.

        Raises `RvosError` for a blank expression.
        """
        check_expressions(expressions)
        pixels, valid = self.preprocessing.prepare(image)
        images, valid_px = pixels[None].to(self.device), torch.tensor([valid], device=self.device)
        with autocast(self.device, self.precision):
            text = self.model.encode_text(list(expressions))
            features = self.encode(images, text, valid_px=valid_px)
            if len(features) != len(text):
                rows = torch.zeros(len(text), dtype=torch.long, device=self.device)
                features = self.model.precompute(features).select(rows)
            prediction = self.model.decode(features, text)
        return self.answers(prediction, [valid] * len(text))

    def encode(
        self, images: Tensor, text: TextFeatures, *, stem: Tensor | None = None, valid_px: Tensor | None = None
    ) -> ImageFeatures:
        """Features of one image (1, 3, H, W): one row where language is fused late, a row an expression where it is
        fused early, at most `max_pairs` of them in a pass."""
        encode = partial(self.model.encode_image, images, stem=stem, valid_px=valid_px)
        if not self.model.fuses_language_in_encoder:
            return encode()
        rows = torch.arange(len(text), device=self.device)
        return join_features([encode(text.select(chunk)) for chunk in rows.split(self.model.max_pairs)])

    def answers(self, prediction: Prediction, valid_px: Sequence[tuple[int, int]]) -> list[MaskAnswer]:
        """N rows of a prediction -> N answers, copied from the device at once. valid_px: (height, width) of each input
        before padding."""
        logits = prediction.mask_logits.float()
        presence_bits = (
            self.model.presence_probs(prediction).view(torch.float32).view(-1, 2)
        )  # double precision, kept exactly
        rows = torch.cat([presence_bits, prediction.score.float()[:, None], logits.flatten(1)], 1).cpu().numpy()
        presence = rows[:, :2].copy().view(np.float64)[:, 0].tolist()
        maps, stride = rows[:, 3:].reshape(logits.shape), self.model.mask_stride
        return [
            MaskAnswer.of_map(_dense(maps[i], stride, valid), presence[i], float(rows[i, 2]))
            for i, valid in enumerate(valid_px)
        ]


def _dense(logits: np.ndarray, stride: int, valid_px: tuple[int, int]) -> DenseMap:
    """One row of mask logits without its padding."""
    rows, columns = (-(-v // stride) for v in valid_px)
    return DenseMap(logits[:rows, :columns], stride, valid_px)
