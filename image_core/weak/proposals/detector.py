"""Proposals of detectors from transformers: GroundingDINO, OWL-ViT, OWLv2 (both asked with words), DETR and its kin.

transformers is imported only when a detector is built: the import costs seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from image_core.device import resolve_device
from image_core.errors import RvosError
from image_core.geometry.boxes import box_area, clip_boxes
from image_core.language.expression import Referent
from image_core.language.parser import parse_expression
from image_core.weak.proposals.suppression import keep_best

_ASKED_WITH_WORDS = ("grounding-dino", "mm-grounding-dino", "owlvit", "owlv2")


def nouns_of(expressions: Sequence[str]) -> tuple[str, ...]:
    """What a detector that is asked with words is asked: the nouns of the things that expressions speak of, of those
    that they lie to, too, each once."""
    nouns = [noun for expression in expressions for noun in _nouns(parse_expression(expression))]
    return tuple(dict.fromkeys(nouns))


def _nouns(referent: Referent) -> Iterator[str]:
    if referent.noun:
        yield referent.noun
    landmarks = [landmark for relation in referent.relations for landmark in relation.landmarks]
    for other in (*landmarks, *referent.excluded):
        yield from _nouns(other)


class Detector:
    """A `Proposer`: boxes of `score` or more, none over a better one by more than `overlap` (IoU), at most `most`.

    name: a hub name or a local folder. Detectors that must be told what to look for are asked for the nouns of the
    picture's expressions (`nouns_of`). The three figures are SpARC's proposed ones. Raises `RvosError` where the hub
    cannot be reached, the folder lacks a file, or the model is no detector.
    """

    def __init__(
        self,
        name: str,
        *,
        score: float = 0.3,
        overlap: float = 0.5,
        most: int = 30,
        device: str = "auto",
    ) -> None:
        self.name = name
        self.score, self.overlap, self.most = score, overlap, most
        self.device = resolve_device(device)
        self.takes_words, self._processor, model = _read(name)
        self._model = model.to(self.device).eval()

    @torch.inference_mode()
    def propose(self, image: np.ndarray, sample_id: str = "", expressions: Sequence[str] = ()) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (N, 4) float64 xyxy, the best first; N may be 0, as it is where words are needed and
        the expressions have no noun. The name is not read."""
        size = image.shape[0], image.shape[1]
        nouns = nouns_of(expressions) if self.takes_words else ()
        if self.takes_words and not nouns:
            return np.zeros((0, 4))
        detections = self._with_words(image, size, nouns) if self.takes_words else self._of_its_classes(image, size)
        boxes = clip_boxes(detections["boxes"].double().cpu().numpy().reshape(-1, 4), size)
        scores = detections["scores"].double().cpu().numpy()
        usable = (box_area(boxes) > 0) & (scores >= self.score)
        boxes, scores = boxes[usable], scores[usable]
        return boxes[keep_best(boxes, scores, self.overlap, self.most)]

    def _with_words(self, image: np.ndarray, size: tuple[int, int], words: Sequence[str]) -> Any:
        is_dino = "dino" in self._model.config.model_type
        # GroundingDINO reads one sentence, its classes parted by full stops; OWL a list of them.
        text: Any = ". ".join(words) + "." if is_dino else [[f"a photo of a {word}" for word in words]]
        inputs = self._processor(images=image, text=text, return_tensors="pt", truncation=True).to(self.device)
        outputs = self._model(**inputs)
        settings: dict[str, Any] = {"threshold": self.score, "target_sizes": [size]}
        if is_dino:
            settings |= {"input_ids": inputs["input_ids"], "text_threshold": 0.0}
        return self._processor.post_process_grounded_object_detection(outputs, **settings)[0]

    def _of_its_classes(self, image: np.ndarray, size: tuple[int, int]) -> Any:
        inputs = self._processor(images=image, return_tensors="pt").to(self.device)
        outputs = self._model(**inputs)
        return self._processor.post_process_object_detection(outputs, threshold=self.score, target_sizes=[size])[0]


def _read(name: str) -> tuple[bool, Any, Any]:
    """Whether it is asked with words, its processor, its model."""
    from transformers import (
        AutoConfig,
        AutoImageProcessor,
        AutoModelForObjectDetection,
        AutoModelForZeroShotObjectDetection,
        AutoProcessor,
    )

    try:
        takes_words = AutoConfig.from_pretrained(name).model_type in _ASKED_WITH_WORDS
        processor: Any = AutoProcessor if takes_words else AutoImageProcessor
        model: Any = AutoModelForZeroShotObjectDetection if takes_words else AutoModelForObjectDetection
        return takes_words, processor.from_pretrained(name), model.from_pretrained(name, dtype=torch.float32)
    except (OSError, ValueError) as error:
        fix = "complete the folder" if Path(name).is_dir() else "connect to the network, or give a local folder"
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise RvosError(f"detector '{name}': cannot be read ({first}): {fix}") from error
