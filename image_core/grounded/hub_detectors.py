"""Detectors of the hub as parts of `Grounded`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from image_core.grounded.parts import Detection
from image_core.hub.detectors import ClosedSetDetector, DetectedBoxes, OpenVocabularyDetector

MAX_BOXES = 50
"""Boxes of one image or phrase; a network may have a thousand queries."""
MIN_SCORE = 0.05


class HubDetector:
    """A `Detector`: one of its own classes, such as DETR, RT-DETR or D-FINE."""

    def __init__(self, detector: ClosedSetDetector) -> None:
        self.detector = detector

    def detect(self, image: np.ndarray) -> list[Detection]:
        """(H, W, 3) uint8 RGB -> at most `MAX_BOXES` boxes, the best first, labelled with COCO's spelling of a
        class."""
        return _detections(self.detector.detect(image, MIN_SCORE))


class HubPhraseDetector:
    """A `PhraseDetector`: GroundingDINO, MM-GroundingDINO, OWL-ViT or OWLv2.

    Boxes have at least half of the score threshold of the network's authors.
    """

    def __init__(self, detector: OpenVocabularyDetector) -> None:
        self.detector = detector

    @property
    def min_score(self) -> float:
        """No box has a lower one."""
        return self.detector.threshold / 2

    def detect_phrases(self, image: np.ndarray, phrases: Sequence[str]) -> list[list[Detection]]:
        """(H, W, 3) uint8 RGB and P phrases -> for each at most `MAX_BOXES` boxes, the best first, as if it were
        alone."""
        return [_detections(boxes) for boxes in self.detector.detect(image, phrases, self.min_score)]


def _detections(boxes: DetectedBoxes) -> list[Detection]:
    rows = zip(boxes.boxes_xyxy.tolist(), boxes.scores.tolist(), boxes.labels, strict=True)
    return [Detection((x0, y0, x1, y1), score, label) for (x0, y0, x1, y1), score, label in rows][:MAX_BOXES]
