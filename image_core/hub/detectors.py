"""Detectors of transformers: open-vocabulary ones, which take phrases, and closed-set ones, which have fixed classes.

An open-vocabulary detector gets each phrase by itself, on one encoding of the image: the boxes of a phrase do not
depend on the other phrases, bit for bit.
"""

from __future__ import annotations

import copy
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from image_core.geometry.boxes import box_area, clip_boxes
from image_core.hub.loading import Network, Placement, read_network, repeat_short_side
from image_core.hub.sources import Source

_CLASSES_OF = {
    "grounding-dino": ("GroundingDinoForObjectDetection", "GroundingDinoProcessor"),
    "mm-grounding-dino": ("MMGroundingDinoForObjectDetection", "GroundingDinoProcessor"),
    "owlvit": ("OwlViTForObjectDetection", "OwlViTProcessor"),
    "owlv2": ("Owlv2ForObjectDetection", "Owlv2Processor"),
}
OPEN_VOCABULARY = tuple(_CLASSES_OF)
CLOSED_SET = (
    *("conditional_detr", "d_fine", "dab-detr", "deformable_detr", "deimv2", "detr", "lw_detr", "rf_detr"),
    *("rt_detr", "rt_detr_v2", "yolos"),
)
"""Values of `model_type` in config.json."""

_COCO_SPELLING = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}
"""Spellings of Pascal VOC, which some detectors (RT-DETR and D-FINE among them) use for six of COCO's classes."""
_NO_CLASS = "n/a"
_ARTICLES = ("a ", "an ", "the ")


@dataclass(frozen=True)
class DetectedBoxes:
    """The boxes that a detector found, best first."""

    boxes_xyxy: np.ndarray  # (N, 4) float64, pixels, within the image, none empty
    scores: np.ndarray  # (N,) float64 in [0, 1]
    labels: tuple[str, ...]  # N phrases or class names


class OpenVocabularyDetector(ABC):
    """A detector that takes phrases."""

    #: Its authors' score threshold, from the examples published with the weights; not calibrated.
    threshold: float
    #: The tokenizer's option `padding`: OWL was trained on texts of one length.
    padding: bool | str = False

    def __init__(self, network: Network) -> None:
        self.network = network

    def detect(self, image: np.ndarray, phrases: Sequence[str], min_score: float) -> list[DetectedBoxes]:
        """(H, W, 3) uint8 RGB and P phrases -> P lists of boxes with a score above `min_score`, each independent of the
        others."""
        if not phrases:
            return []
        repeated_image, repeats = repeat_short_side(image)
        with self.network.inference():
            detections = list(
                self._detect(
                    self.network.preprocess(repeated_image),
                    (repeated_image.shape[0], repeated_image.shape[1]),
                    phrases,
                    min_score,
                )
            )
        return [
            _detected_boxes(phrase_detections, image, repeats, [phrase] * len(phrase_detections["scores"]))
            for phrase_detections, phrase in zip(detections, phrases, strict=True)
        ]

    @abstractmethod
    def _detect(
        self, inputs: dict[str, Tensor], size: tuple[int, int], phrases: Sequence[str], min_score: float
    ) -> Iterator[dict[str, Tensor]]:
        """Image inputs of the network, and the `size` (height, width) of the image -> for each phrase a dict with
        `boxes` in pixels and `scores`."""

    def _tokens(self, text: str, max_length: int) -> dict[str, Tensor]:
        tokens = self.network.processor.tokenizer(
            text, padding=self.padding, truncation=True, max_length=max_length, return_tensors="pt"
        )
        return dict(tokens.to(self.network.device))


class GroundingDino(OpenVocabularyDetector):
    """GroundingDINO (Liu et al., ECCV 2024) and MM-GroundingDINO (Zhao et al., 2024).

    Each phrase is put as a sentence with a full stop. The backbone runs once per image, the fusion encoder once per
    phrase.
    """

    threshold = 0.35

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._lock = threading.Lock()  # `_detect` replaces the backbone's `forward` while it runs

    def _detect(
        self, inputs: dict[str, Tensor], size: tuple[int, int], phrases: Sequence[str], min_score: float
    ) -> Iterator[dict[str, Tensor]]:
        model, processor = self.network.model, self.network.processor
        with self._lock, cache_first_call(model.model.backbone):
            for phrase in phrases:
                text = " ".join(phrase.lower().replace(".", " ").split()) + "."
                tokens = self._tokens(text, model.config.max_text_len)
                outputs = model(**inputs, **tokens)
                yield processor.post_process_grounded_object_detection(
                    outputs, tokens["input_ids"], threshold=min_score, text_threshold=0.0, target_sizes=[size]
                )[0]


class Owl(OpenVocabularyDetector):
    """OWL-ViT (Minderer et al., ECCV 2022) and OWLv2 (Minderer et al., NeurIPS 2023): image and text are compared in
    the last layer."""

    threshold = 0.1
    padding = "max_length"

    def _detect(
        self, inputs: dict[str, Tensor], size: tuple[int, int], phrases: Sequence[str], min_score: float
    ) -> Iterator[dict[str, Tensor]]:
        model, processor = self.network.model, self.network.processor
        towers = getattr(model, model.config.model_type)
        grid = model.image_embedder(inputs["pixel_values"])[0]
        cells = grid.flatten(1, 2)
        boxes = model.box_predictor(cells, grid)
        for phrase in phrases:
            tokens = self._tokens(
                f"a photo of a {_without_article(phrase)}", model.config.text_config.max_position_embeddings
            )
            text = towers.get_text_features(**tokens).pooler_output
            query_embedding = text / text.norm(dim=-1, keepdim=True)
            logits, _ = model.class_predictor(
                cells, query_embedding[None], torch.ones_like(query_embedding[None, :, 0])
            )
            outputs: Any = SimpleNamespace(logits=logits, pred_boxes=boxes)
            yield processor.post_process_grounded_object_detection(outputs, threshold=min_score, target_sizes=[size])[0]


class ClosedSetDetector:
    """A detector of fixed classes, such as DETR (Carion et al., ECCV 2020)."""

    def __init__(self, network: Network) -> None:
        self.network = network
        lower = {index: str(name).lower() for index, name in network.model.config.id2label.items()}
        self.names = {index: _COCO_SPELLING.get(name, name) for index, name in lower.items()}

    def detect(self, image: np.ndarray, min_score: float) -> DetectedBoxes:
        """(H, W, 3) uint8 RGB -> boxes with a score above `min_score`, their labels class names as COCO writes them."""
        repeated_image, repeats = repeat_short_side(image)
        with self.network.inference():
            outputs = self.network.model(**self.network.preprocess(repeated_image))
            detections = self.network.processor.post_process_object_detection(
                outputs, min_score, target_sizes=[repeated_image.shape[:2]]
            )[0]
        return _detected_boxes(
            detections, image, repeats, [self.names[index] for index in detections["labels"].tolist()]
        )


def read_detector(source: Source, placement: Placement) -> OpenVocabularyDetector | ClosedSetDetector:
    """A detector of one of `OPEN_VOCABULARY` or `CLOSED_SET`. Raises `CheckpointError` as `read_network` does."""
    if source.model_type in CLOSED_SET:
        return ClosedSetDetector(read_network(source, "AutoModelForObjectDetection", "AutoImageProcessor", placement))
    kind = Owl if source.model_type.startswith("owl") else GroundingDino
    return kind(read_network(source, *_CLASSES_OF[source.model_type], placement))


@contextmanager
def cache_first_call(module: nn.Module) -> Iterator[None]:
    """In the block, only the first call of the module is computed; later calls, which must have the same input, return
    copies of its result. For networks that do not take precomputed features."""
    forward, cached = module.forward, []

    def once(*args: Any, **kwargs: Any) -> Any:
        if not cached:
            cached.append(forward(*args, **kwargs))
        return copy.deepcopy(cached[0])  # networks append to the lists in it

    module.forward = once
    try:
        yield
    finally:
        del module.forward


def _detected_boxes(
    detections: dict[str, Tensor], image: np.ndarray, repeats: tuple[int, int], labels: Sequence[str]
) -> DetectedBoxes:
    """repeats: how often rows and columns of the image were repeated before detection (`repeat_short_side`)."""
    rows, columns = repeats
    scaled = detections["boxes"].double().cpu().numpy().reshape(-1, 4) / [columns, rows, columns, rows]
    boxes = clip_boxes(scaled, (image.shape[0], image.shape[1]))
    scores = detections["scores"].double().cpu().numpy()
    usable = (box_area(boxes) > 0) & np.array([label != _NO_CLASS for label in labels], bool)
    order = [int(i) for i in np.argsort(-scores, kind="stable") if usable[i]]
    return DetectedBoxes(boxes[order], scores[order], tuple(labels[i] for i in order))


def _without_article(phrase: str) -> str:
    """The phrase without its article, since the prompt has one."""
    return next((phrase[len(article) :] for article in _ARTICLES if phrase.lower().startswith(article)), phrase)
