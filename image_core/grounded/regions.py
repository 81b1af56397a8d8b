"""What stands in a picture, before anything is asked of it: masks, the classes of their boxes, their colours.

Many expressions cost one encoding of the picture, and each is answered as if alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from image_core.geometry.boxes import box_area, clip_boxes
from image_core.geometry.masks import overlap
from image_core.grounded.colours import pixels_of
from image_core.grounded.config import GroundedConfig
from image_core.grounded.parts import Box, Classifier, Detection, Masker
from image_core.language.predicates import inside

MOSTLY = 0.8
"""Share of a box that lies in another, from which it counts as inside."""
_NO_CLASSES: Mapping[str, float] = {}


@dataclass(frozen=True)
class Region:
    """One thing in the picture."""

    #: (4,) float64, pixels.
    box_xyxy: np.ndarray
    #: (H, W) bool, not empty, and its quality in [0, 1].
    mask: np.ndarray
    quality: float
    #: The detector's names of the box, and of the boxes that were taken for the same thing, with their best scores.
    labels: Mapping[str, float]
    #: (P, 3): see `pixels_of`.
    hsv: np.ndarray
    #: [0, 1], the side of a square of the mask's area, in sides of such a square of the picture.
    size: float
    #: ImageNet's ids with their probabilities; none without a classifier.
    synsets: Mapping[str, float] = field(default_factory=lambda: _NO_CLASSES)

    @property
    def score(self) -> float:
        """[0, 1]: that there is a thing, of whatever class."""
        return max(self.labels.values())


def regions_of(
    image: np.ndarray,
    detections: Sequence[Sequence[Detection]],
    masker: Masker,
    classifier: Classifier | None,
    config: GroundedConfig,
) -> list[list[Region]]:
    """(H, W, 3) uint8 RGB and G lists of detections -> G lists of at most `config.most_boxes` regions, the best
    detected first. Masker and classifier are asked once for all, about each box once; each list is as if alone."""
    groups = [_boxes(found, (image.shape[0], image.shape[1]), config) for found in detections]
    asked = list(dict.fromkeys(box.corners for group in groups for box in group))
    if not asked:
        return [[] for _ in groups]
    drawn = dict(zip(asked, _drawn(image, asked, masker), strict=True))
    named = dict(zip(asked, _classified(image, asked, classifier), strict=True)) if classifier is not None else {}
    return [_regions(image, group, drawn, named, config) for group in groups]


@dataclass
class _Box:
    """Boxes of one thing: the best of them, and what all were called."""

    box_xyxy: np.ndarray
    labels: dict[str, float]

    @property
    def corners(self) -> Box:
        x0, y0, x1, y1 = self.box_xyxy.tolist()
        return x0, y0, x1, y1


def _boxes(detections: Sequence[Detection], size: tuple[int, int], config: GroundedConfig) -> list[_Box]:
    """The boxes that are worth a mask."""
    things: list[_Box] = []
    for found in sorted(detections, key=lambda detection: -detection.score):
        box = clip_boxes(np.asarray(found.box_xyxy, np.float64), size)
        if found.score < config.least_score or box_area(box) < 1:
            continue
        same = next((thing for thing in things if _box_iou(thing.box_xyxy, box) > config.same_box), None)
        if same is not None:
            same.labels.setdefault(found.label, found.score)
        elif not _is_group(box, found.label, things, config.group):
            things.append(_Box(box, {found.label: found.score}))
    return _mixed(things, config.most_boxes)


def _is_group(box: np.ndarray, label: str, better: list[_Box], least: int) -> bool:
    """Whether a box is around several that are of its class and better: a crowd that was taken for one."""
    own = [other.box_xyxy for other in better if label in other.labels]
    return len(own) >= least and int((inside(np.stack(own), box[None]) > MOSTLY).sum()) >= least


def _mixed(things: list[_Box], most: int) -> list[_Box]:
    """At most so many, the best first; those of one class that are more than half of them come after all others, so
    that a crowd does not hide the one car."""
    counts: Counter[str] = Counter()
    early, late = [], []
    for thing in things:
        label = next(iter(thing.labels))
        counts[label] += 1
        (early if counts[label] <= (most + 1) // 2 else late).append(thing)
    return [*early, *late][:most]


def _drawn(image: np.ndarray, boxes: Sequence[Box], masker: Masker) -> list[tuple[np.ndarray, float]]:
    """What the masker draws, checked."""
    size = image.shape[:2]
    drawn = masker.masks(image, boxes)
    if len(drawn) != len(boxes):
        raise ValueError(f"Masker.masks: expected {len(boxes)} masks, one a box, got {len(drawn)}")
    for mask, _ in drawn:
        if mask.shape != size or mask.dtype != np.bool_:
            raise ValueError(f"Masker.masks: expected bool masks {size}, got {mask.dtype} {mask.shape}")
    return drawn


def _classified(image: np.ndarray, boxes: Sequence[Box], classifier: Classifier) -> list[Mapping[str, float]]:
    """The classes of what is in each box, with their probabilities."""
    rows = np.asarray(classifier.classify(image, boxes))
    names = tuple(classifier.synsets)
    if rows.shape != (len(boxes), len(names)):
        raise ValueError(f"Classifier.classify: expected probabilities {(len(boxes), len(names))}, got {rows.shape}")
    return [dict(zip(names, row.tolist(), strict=True)) for row in rows]


def _regions(
    image: np.ndarray,
    boxes: Sequence[_Box],
    drawn: Mapping[Box, tuple[np.ndarray, float]],
    named: Mapping[Box, Mapping[str, float]],
    config: GroundedConfig,
) -> list[Region]:
    """The regions, without empty masks; where two masks are the same, one region has the labels of both."""
    regions: list[Region] = []
    for box in boxes:
        mask, quality = drawn[box.corners]
        if not mask.any():
            continue
        same = next((i for i, r in enumerate(regions) if _mask_iou(r.mask, mask) > config.same_mask), None)
        if same is not None:
            regions[same] = replace(regions[same], labels={**box.labels, **regions[same].labels})
            continue
        share, synsets = float(np.sqrt(mask.mean())), named.get(box.corners, _NO_CLASSES)
        regions.append(Region(box.box_xyxy, mask, float(quality), box.labels, pixels_of(image, mask), share, synsets))
    return regions


def _box_iou(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    return shared / (float(box_area(a) + box_area(b)) - shared)


def _mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    intersection, union = overlap(a, b)
    return intersection / union if union else 0.0
