"""Detectors of transformers: those that are asked with words, and those of their own classes.

The network gets each phrase by itself, on one encoding of the picture: the boxes of a phrase do not depend, to the bit,
on the other phrases.
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
from image_core.hub.loading import Network, Where, read_network, thickened
from image_core.hub.sources import Source

_CLASSES_OF = {
    "grounding-dino": ("GroundingDinoForObjectDetection", "GroundingDinoProcessor"),
    "mm-grounding-dino": ("MMGroundingDinoForObjectDetection", "GroundingDinoProcessor"),
    "owlvit": ("OwlViTForObjectDetection", "OwlViTProcessor"),
    "owlv2": ("Owlv2ForObjectDetection", "Owlv2Processor"),
}
ASKED_WITH_WORDS = tuple(_CLASSES_OF)
OF_OWN_CLASSES = (
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
"""Some detectors, RT-DETR and D-FINE among them, write six of COCO's classes as Pascal VOC did."""
_NO_CLASS = "n/a"
_ARTICLES = ("a ", "an ", "the ")


@dataclass(frozen=True)
class Boxes:
    """What a detector found, the best first."""

    boxes_xyxy: np.ndarray  # (N, 4) float64, pixels, within the picture, none empty
    scores: np.ndarray  # (N,) float64 in [0, 1]
    labels: tuple[str, ...]  # N phrases or class names


class WordDetector(ABC):
    """A detector that is asked with words."""

    #: Its authors' score threshold, from the examples published with the weights; not calibrated.
    threshold: float
    #: The tokenizer's option of this name: OWL was trained on texts of one length.
    padding: bool | str = False

    def __init__(self, network: Network) -> None:
        self.network = network

    def find(self, image: np.ndarray, phrases: Sequence[str], least: float) -> list[Boxes]:
        """(H, W, 3) uint8 RGB and P phrases -> P lists of boxes with a score above `least`, each as if alone."""
        if not phrases:
            return []
        shown, repeated = thickened(image)
        with self.network.asked():
            found = list(self._found(self.network.prepared(shown), (shown.shape[0], shown.shape[1]), phrases, least))
        return [
            _boxes(one, image, repeated, [phrase] * len(one["scores"]))
            for one, phrase in zip(found, phrases, strict=True)
        ]

    @abstractmethod
    def _found(
        self, picture: dict[str, Tensor], size: tuple[int, int], phrases: Sequence[str], least: float
    ) -> Iterator[dict[str, Tensor]]:
        """A picture as its network takes it, of `size` before -> for each phrase `boxes` in pixels and `scores`."""

    def _tokens(self, text: str, longest: int) -> dict[str, Tensor]:
        tokens = self.network.processor.tokenizer(
            text, padding=self.padding, truncation=True, max_length=longest, return_tensors="pt"
        )
        return dict(tokens.to(self.network.device))


class GroundingDino(WordDetector):
    """GroundingDINO (Liu et al., ECCV 2024) and MM-GroundingDINO (Zhao et al., 2024).

    A phrase is a sentence with a full stop. The backbone runs once a picture; the encoder fuses it with each phrase.
    """

    threshold = 0.35

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._alone = threading.Lock()  # a call changes the backbone for as long as it takes

    def _found(
        self, picture: dict[str, Tensor], size: tuple[int, int], phrases: Sequence[str], least: float
    ) -> Iterator[dict[str, Tensor]]:
        model, processor = self.network.model, self.network.processor
        with self._alone, computed_once(model.model.backbone):
            for phrase in phrases:
                text = " ".join(phrase.lower().replace(".", " ").split()) + "."
                tokens = self._tokens(text, model.config.max_text_len)
                outputs = model(**picture, **tokens)
                yield processor.post_process_grounded_object_detection(
                    outputs, tokens["input_ids"], threshold=least, text_threshold=0.0, target_sizes=[size]
                )[0]


class Owl(WordDetector):
    """OWL-ViT (Minderer et al., ECCV 2022) and OWLv2 (Minderer et al., NeurIPS 2023): picture and text meet in the
    last layer."""

    threshold = 0.1
    padding = "max_length"

    def _found(
        self, picture: dict[str, Tensor], size: tuple[int, int], phrases: Sequence[str], least: float
    ) -> Iterator[dict[str, Tensor]]:
        model, processor = self.network.model, self.network.processor
        towers = getattr(model, model.config.model_type)
        grid = model.image_embedder(picture["pixel_values"])[0]
        cells = grid.flatten(1, 2)
        boxes = model.box_predictor(cells, grid)
        for phrase in phrases:
            tokens = self._tokens(f"a photo of a {_bare(phrase)}", model.config.text_config.max_position_embeddings)
            text = towers.get_text_features(**tokens).pooler_output
            asked = text / text.norm(dim=-1, keepdim=True)
            logits, _ = model.class_predictor(cells, asked[None], torch.ones_like(asked[None, :, 0]))
            outputs: Any = SimpleNamespace(logits=logits, pred_boxes=boxes)
            yield processor.post_process_grounded_object_detection(outputs, threshold=least, target_sizes=[size])[0]


class ClassDetector:
    """A detector of its own classes: DETR (Carion et al., ECCV 2020) and its kin."""

    def __init__(self, network: Network) -> None:
        self.network = network
        lower = {index: str(name).lower() for index, name in network.model.config.id2label.items()}
        self.names = {index: _COCO_SPELLING.get(name, name) for index, name in lower.items()}

    def find(self, image: np.ndarray, least: float) -> Boxes:
        """(H, W, 3) uint8 RGB -> boxes with a score above `least`, their labels class names as COCO writes them."""
        shown, repeated = thickened(image)
        with self.network.asked():
            outputs = self.network.model(**self.network.prepared(shown))
            found = self.network.processor.post_process_object_detection(
                outputs, least, target_sizes=[shown.shape[:2]]
            )[0]
        return _boxes(found, image, repeated, [self.names[index] for index in found["labels"].tolist()])


def read_detector(source: Source, where: Where) -> WordDetector | ClassDetector:
    """A detector of one of `ASKED_WITH_WORDS` or `OF_OWN_CLASSES`. Raises `CheckpointError` as `read_network` does."""
    if source.model_type in OF_OWN_CLASSES:
        return ClassDetector(read_network(source, "AutoModelForObjectDetection", "AutoImageProcessor", where))
    kind = Owl if source.model_type.startswith("owl") else GroundingDino
    return kind(read_network(source, *_CLASSES_OF[source.model_type], where))


@contextmanager
def computed_once(module: nn.Module) -> Iterator[None]:
    """In the block, the module computes its first call only; later calls, which must have the same input, get copies of
    that result. For a network that cannot be given features."""
    forward, kept = module.forward, []

    def once(*args: Any, **kwargs: Any) -> Any:
        if not kept:
            kept.append(forward(*args, **kwargs))
        return copy.deepcopy(kept[0])  # networks add to the lists that they are given

    module.forward = once
    try:
        yield
    finally:
        del module.forward


def _boxes(found: dict[str, Tensor], image: np.ndarray, repeated: tuple[int, int], labels: Sequence[str]) -> Boxes:
    """repeated: how often the rows and columns of the picture were repeated before detection (`thickened`)."""
    rows, columns = repeated
    scaled = found["boxes"].double().cpu().numpy().reshape(-1, 4) / [columns, rows, columns, rows]
    boxes = clip_boxes(scaled, (image.shape[0], image.shape[1]))
    scores = found["scores"].double().cpu().numpy()
    usable = (box_area(boxes) > 0) & np.array([label != _NO_CLASS for label in labels], bool)
    order = [int(i) for i in np.argsort(-scores, kind="stable") if usable[i]]
    return Boxes(boxes[order], scores[order], tuple(labels[i] for i in order))


def _bare(phrase: str) -> str:
    """The phrase without an article, since the sentence has one."""
    return next((phrase[len(article) :] for article in _ARTICLES if phrase.lower().startswith(article)), phrase)
