"""Proposals of detectors from transformers: open-vocabulary and closed-set ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from image_core.errors import ConfigError
from image_core.hub.detectors import CLOSED_SET, OPEN_VOCABULARY, OpenVocabularyDetector, read_detector
from image_core.hub.loading import Placement
from image_core.hub.sources import find_source
from image_core.language.expression import Referent
from image_core.language.parser import parse_expression
from image_core.weak.proposals.suppression import keep_best


def nouns_of(expressions: Sequence[str]) -> tuple[str, ...]:
    """The queries for an open-vocabulary detector: the nouns of the targets and landmarks of expressions, each
    once."""
    nouns = [noun for expression in expressions for noun in _nouns(parse_expression(expression))]
    return tuple(dict.fromkeys(nouns))


def _nouns(referent: Referent) -> Iterator[str]:
    if referent.noun:
        yield referent.noun
    landmarks = [landmark for relation in referent.relations for landmark in relation.landmarks]
    for other in (*landmarks, *referent.excluded):
        yield from _nouns(other)


class Detector:
    """A `Proposer`: boxes of `score` or more, none over a better one by more than `overlap` (IoU), at most `max_boxes`.

    name: OWNER/NAME of the hub or a local folder. Open-vocabulary detectors are queried with each noun
    of the image's expressions (`nouns_of`). The three figures are SpARC's proposed ones. Raises `CheckpointError`
    where the hub cannot be reached or the folder lacks a file, and `ConfigError` where the model is no detector.
    """

    def __init__(
        self,
        name: str,
        *,
        score: float = 0.3,
        overlap: float = 0.5,
        max_boxes: int = 30,
        device: str = "auto",
    ) -> None:
        self.name = name
        self.score, self.overlap, self.max_boxes = score, overlap, max_boxes
        source = find_source(name)
        if source.model_type not in (*OPEN_VOCABULARY, *CLOSED_SET):
            raise ConfigError(f"detector '{name}': expected a detector, got a model of type {source.model_type}")
        self._detector = read_detector(source, Placement(device))

    @property
    def is_open_vocabulary(self) -> bool:
        """Whether it takes nouns as queries."""
        return isinstance(self._detector, OpenVocabularyDetector)

    def propose(self, image: np.ndarray, sample_id: str = "", expressions: Sequence[str] = ()) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (N, 4) float64 xyxy, the best first; N may be 0, as it is where words are needed and
        the expressions have no noun. The name is not read."""
        detector = self._detector
        if isinstance(detector, OpenVocabularyDetector):
            detections = detector.detect(image, nouns_of(expressions), self.score)
        else:
            detections = [detector.detect(image, self.score)]
        boxes = np.concatenate([np.zeros((0, 4)), *(one.boxes_xyxy for one in detections)])
        scores = np.concatenate([np.zeros(0), *(one.scores for one in detections)])
        return boxes[keep_best(boxes, scores, self.overlap, self.max_boxes)]
