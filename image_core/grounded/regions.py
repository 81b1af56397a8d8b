"""The regions of an image that expressions are compared with: masks, the classes of their boxes, their colours.

The image is encoded once for many expressions; each answer is independent of the other expressions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from image_core.geometry.masks import overlap
from image_core.grounded.colours import pixels_of
from image_core.grounded.config import GroundedConfig
from image_core.grounded.parts import Box, Classifier, Masker
from image_core.grounded.proposals import Proposal, merge_labels

_NO_CLASSES: Mapping[str, float] = {}


@dataclass(frozen=True)
class Region:
    """One object in the image."""

    #: (4,) float64, pixels.
    box_xyxy: np.ndarray
    #: (H, W) bool, not empty, and its quality in [0, 1].
    mask: np.ndarray
    quality: float
    #: Label -> best score, over the boxes of this object.
    labels: Mapping[str, float]
    #: (P, 3): see `pixels_of`.
    hsv: np.ndarray
    #: [0, 1], the side of a square of the mask's area, in sides of such a square of the image.
    size: float
    #: ImageNet's ids with their probabilities; none without a classifier.
    synsets: Mapping[str, float] = field(default_factory=lambda: _NO_CLASSES)

    @property
    def score(self) -> float:
        """[0, 1]: the confidence that the region is an object of any class."""
        return max(self.labels.values())


def regions_of(
    image: np.ndarray,
    proposals: Sequence[Sequence[Proposal]],
    needs_classes: Sequence[bool],
    masker: Masker,
    classifier: Classifier | None,
    config: GroundedConfig,
) -> list[list[Region]]:
    """(H, W, 3) uint8 RGB and G lists of proposals -> G lists of regions, in their order. Masker and classifier are
    called once for all lists, with each box once; each list is independent of the others. needs_classes: G bools,
    whether the boxes of a list are classified."""
    boxes = _unique_boxes(proposals)
    if not boxes:
        return [[] for _ in proposals]
    masks = dict(zip(boxes, _masks(image, boxes, masker), strict=True))
    boxes_to_classify = _unique_boxes(
        [group for group, classified in zip(proposals, needs_classes, strict=True) if classified]
    )
    classes = (
        dict(zip(boxes_to_classify, _classify(image, boxes_to_classify, classifier), strict=True))
        if classifier and boxes_to_classify
        else {}
    )
    return [
        _regions(image, group, masks, classes if classified else {}, config)
        for group, classified in zip(proposals, needs_classes, strict=True)
    ]


def _unique_boxes(proposals: Sequence[Sequence[Proposal]]) -> list[Box]:
    """Each box once."""
    return list(dict.fromkeys(proposal.corners for group in proposals for proposal in group))


def _masks(image: np.ndarray, boxes: Sequence[Box], masker: Masker) -> list[tuple[np.ndarray, float]]:
    """The masker's masks and their quality, checked."""
    size = image.shape[:2]
    masks = masker.masks(image, boxes)
    if len(masks) != len(boxes):
        raise ValueError(f"Masker.masks: expected {len(boxes)} masks, one a box, got {len(masks)}")
    for mask, _ in masks:
        if mask.shape != size or mask.dtype != np.bool_:
            raise ValueError(f"Masker.masks: expected bool masks {size}, got {mask.dtype} {mask.shape}")
    return masks


def _classify(image: np.ndarray, boxes: Sequence[Box], classifier: Classifier) -> list[Mapping[str, float]]:
    """The classes of what is in each box, with their probabilities."""
    rows = np.asarray(classifier.classify(image, boxes))
    names = tuple(classifier.synsets)
    if rows.shape != (len(boxes), len(names)):
        raise ValueError(f"Classifier.classify: expected probabilities {(len(boxes), len(names))}, got {rows.shape}")
    return [dict(zip(names, row.tolist(), strict=True)) for row in rows]


def _regions(
    image: np.ndarray,
    proposals: Sequence[Proposal],
    masks: Mapping[Box, tuple[np.ndarray, float]],
    classes: Mapping[Box, Mapping[str, float]],
    config: GroundedConfig,
) -> list[Region]:
    """The regions, without empty masks; where two masks are the same, one region has the labels of both."""
    regions: list[Region] = []
    for proposal in proposals:
        mask, quality = masks[proposal.corners]
        if not mask.any():
            continue
        same = next((i for i, r in enumerate(regions) if _mask_iou(r.mask, mask) > config.same_mask), None)
        if same is not None:
            regions[same] = replace(regions[same], labels=merge_labels(regions[same].labels, proposal.labels))
            continue
        share, synsets = float(np.sqrt(mask.mean())), classes.get(proposal.corners, _NO_CLASSES)
        box, labels = proposal.box_xyxy, proposal.labels
        regions.append(Region(box, mask, float(quality), labels, pixels_of(image, mask), share, synsets))
    return regions


def _mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    intersection, union = overlap(a, b)
    return intersection / union if union else 0.0
