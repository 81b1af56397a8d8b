"""One picture and some sentences in, masks out: the door to an image model for people and for `rvos`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from image_core.checkpoint import LoadedModel, load_model
from image_core.data.words import words_of
from image_core.device import Precision, autocast, resolve_device
from image_core.errors import RvosError, UnknownNameError
from image_core.weights import DEFAULT, embedded_models


@dataclass(frozen=True)
class ImagePrediction:
    """What one expression means in one picture.

    mask_logits: (H, W) float32 at the picture's own size, > 0 is foreground; presence: [0, 1], calibrated probability
    that the expression has a target; score: [0, 1], confidence in the mask.
    """

    mask_logits: np.ndarray
    presence: float
    score: float

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool: foreground, all False when the target is judged absent (presence < 0.5)."""
        return (self.mask_logits > 0) & (self.presence >= 0.5)


class ImageSegmenter:
    """A loaded model with its preprocessing, on a device.

    >>> segmenter = ImageSegmenter.load()
    >>> prediction, = segmenter.segment(image, ["the red circle on the left"])
    """

    def __init__(self, loaded: LoadedModel, device: torch.device | str = "cpu", precision: Precision = "fp32") -> None:
        self.device = torch.device(device)
        self.model = loaded.model.to(self.device).eval()
        # Channels last: convolutions and attention then read one order, and nothing is copied between them.
        self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  (torch's stub lacks it)
        self.preprocessing = loaded.preprocessing
        self.provenance = loaded.provenance
        self.spec = loaded.spec
        self.precision: Precision = precision

    @classmethod
    def load(
        cls, name_or_path: str | Path = DEFAULT, device: str = "auto", precision: Precision = "fp32"
    ) -> ImageSegmenter:
        """An embedded model by name, or any model file. Raises `UnknownNameError` or `CheckpointError`."""
        where = resolve_device(device)
        return cls(load_model(find_model(name_or_path), where), where, precision)

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
    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[ImagePrediction]:
        """(H, W, 3) uint8 RGB and E sentences -> E predictions. The picture is encoded once for late-fusion models.

        Raises `RvosError` for a blank expression.
        """
        check_expressions(expressions)
        pixels, valid = self.preprocessing.prepare(image)
        images = pixels[None].to(self.device)
        valid_px = torch.tensor([valid], device=self.device)
        count = len(expressions)
        with autocast(self.device, self.precision):
            text = self.model.encode_text(list(expressions))
            if self.model.fuses_language_in_encoder:
                features = self.model.encode_image(images, text, valid_px=valid_px)
            else:
                features = self.model.encode_image(images, valid_px=valid_px)
                features = features.select(torch.zeros(count, dtype=torch.long, device=self.device))
            prediction = self.model.decode(features, text)
        logits = self.preprocessing.restore(prediction.mask_logits.float(), valid, image.shape[:2]).cpu().numpy()
        presence = self.model.presence_probs(prediction).cpu().tolist()
        score = prediction.score.float().cpu().tolist()
        return [ImagePrediction(logits[i], presence[i], score[i]) for i in range(count)]


def find_model(name_or_path: str | Path) -> Path:
    """The file of an embedded model's name, or the path itself. Raises `UnknownNameError` for a bare unknown name."""
    known = embedded_models()
    name = str(name_or_path).replace("-", "_")
    if name in known:
        return known[name]
    path = Path(name_or_path)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    raise UnknownNameError("model", str(name_or_path), list(known))


def check_expressions(expressions: Sequence[str]) -> None:
    """Raises `RvosError` unless there is at least one expression and each has a letter or a digit."""
    if isinstance(expressions, str):
        raise RvosError(f"expressions: came one string ({expressions!r}), wanted a list of sentences: put it in [ ]")
    if not expressions:
        raise RvosError('no expression: wanted at least one sentence, such as "the red circle"')
    for i, text in enumerate(expressions):
        if not words_of(text):
            raise RvosError(f'expression {i + 1} is blank ({text!r}): wanted words, such as "the red circle"')
