"""SAM 3 (Meta, 2025) as a `MaskModel`: it finds all instances of a noun phrase, and our rules choose among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from image_core.answer import MaskAnswer
from image_core.geometry.boxes import clip_boxes
from image_core.grounded.config import GroundedConfig
from image_core.grounded.model import Grounded
from image_core.grounded.parts import Box, Detection
from image_core.grounded.understanding import understand
from image_core.hub.loading import Network, Placement, read_network
from image_core.hub.sources import Source
from image_core.identity import ModelIdentity

NAME = "sam3"
MODEL_TYPES = ("sam3", "sam3_video")
MAX_INSTANCES = 20
"""Instances of one phrase."""
CONFIG = GroundedConfig(least_score=0.25, presence_at=0.5)
"""SAM 3 accepts instances from a score of 0.5 on; there the presence is one half. Half that score is the least here."""
_MAX_TOKENS = 32
"""Word pieces of a phrase, as the network was trained."""


class Sam3:
    """All instances of the noun phrases of an expression ("white car"), each with a mask. The rules of `Grounded`
    choose the target among them by place, colour or number.

    An instance's score is SAM 3's own, times its score that the phrase is in the image at all. The presence is a
    logistic curve over the best score, uncalibrated.
    """

    is_slow = True

    def __init__(self, network: Network, identity: ModelIdentity) -> None:
        self.network = network
        self.identity = identity

    def describe(self) -> ModelIdentity:
        """Name, revision and licence of the weights."""
        return self.identity

    def understood(self, expression: str) -> dict[str, Any]:
        """How an expression is interpreted, as JSON values."""
        return understand(expression, any_noun=True).document()

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        """(H, W, 3) uint8 RGB and E expressions -> E answers. The image is encoded once, a phrase asked once."""
        instances = Instances(self.network)
        return Grounded(instances, instances, config=CONFIG).segment(image, expressions)


class Instances:
    """The instances of one image: the `PhraseDetector` and the `Masker` of a `Grounded` that lives for one call."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._masks: dict[Box, np.ndarray] = {}

    def detect_phrases(self, image: np.ndarray, phrases: Sequence[str]) -> list[list[Detection]]:
        """(H, W, 3) uint8 RGB and P phrases -> P lists of boxes, the best first. Their masks are kept for `masks`."""
        with self.network.inference():
            vision_features = self.network.model.get_vision_features(self.network.preprocess(image)["pixel_values"])
            return [self._detections(vision_features, phrase, (image.shape[0], image.shape[1])) for phrase in phrases]

    def masks(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> list[tuple[np.ndarray, float]]:
        """The masks of boxes that were found. SAM 3 does not estimate their quality, which is given as 1."""
        return [(self._masks[box], 1.0) for box in boxes_xyxy]

    def _detections(self, vision_features: Any, phrase: str, size: tuple[int, int]) -> list[Detection]:
        tokens = self.network.processor.tokenizer(
            phrase, padding="max_length", max_length=_MAX_TOKENS, truncation=True, return_tensors="pt"
        ).to(self.network.device)
        outputs = self.network.model(
            vision_embeds=vision_features, input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
        scores = (outputs.pred_logits.sigmoid() * outputs.presence_logits.sigmoid())[0].float()
        best = scores.argsort(descending=True, stable=True)[:MAX_INSTANCES]
        best = best[scores[best] >= CONFIG.least_score]
        height, width = size
        boxes = outputs.pred_boxes[0, best].double().cpu().numpy() * np.array([width, height, width, height])
        corners = [(x0, y0, x1, y1) for x0, y0, x1, y1 in clip_boxes(boxes, size).tolist()]
        for box, logits in zip(corners, outputs.pred_masks[0, best].float(), strict=True):
            resized = torch.nn.functional.interpolate(logits[None, None], size, mode="bilinear", align_corners=False)
            self._masks[box] = (resized[0, 0] > 0).cpu().numpy()
        return [Detection(box, score, phrase) for box, score in zip(corners, scores[best].tolist(), strict=True)]


def build(source: Source, identity: ModelIdentity, placement: Placement) -> Sam3:
    """Raises `CheckpointError` as `read_network` does."""
    return Sam3(read_network(source, "Sam3Model", "Sam3Processor", placement), identity)
