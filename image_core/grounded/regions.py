"""What stands in a picture, before anything is asked of it: masks, the classes of their boxes, their colours.

Nothing here depends on an expression, so that many expressions cost one look, and each is answered as if alone.
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
from image_core.grounded.parts import Box, Classifier, Detection, Detector, Masker
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
    image: np.ndarray, detector: Detector, masker: Masker, classifier: Classifier | None, config: GroundedConfig
) -> list[Region]:
    """(H, W, 3) uint8 RGB -> at most `config.most_boxes` regions, the best detected first; each part is asked once."""
    boxes = _boxes(detector.detect(image), (image.shape[0], image.shape[1]), config)
    if not boxes:
        return []
    regions = _masked(image, boxes, masker, config)
    if classifier is None or not regions:
        return regions
    probabilities = _classified(image, regions, classifier)
    names = tuple(classifier.synsets)
    return [
        replace(region, synsets=dict(zip(names, row.tolist(), strict=True)))
        for region, row in zip(regions, probabilities, strict=True)
    ]


@dataclass
class _Box:
    """Boxes of one thing: the best of them, and what all were called."""

    box_xyxy: np.ndarray
    labels: dict[str, float]


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


def _masked(image: np.ndarray, boxes: list[_Box], masker: Masker, config: GroundedConfig) -> list[Region]:
    """The regions, without empty masks; where two masks are the same, one region has the labels of both."""
    size = image.shape[:2]
    drawn = masker.masks(image, [_plain(box.box_xyxy) for box in boxes])
    if len(drawn) != len(boxes):
        raise ValueError(f"Masker.masks: expected {len(boxes)} masks, one a box, got {len(drawn)}")
    regions: list[Region] = []
    for box, (mask, quality) in zip(boxes, drawn, strict=True):
        if mask.shape != size or mask.dtype != np.bool_:
            raise ValueError(f"Masker.masks: expected bool masks {size}, got {mask.dtype} {mask.shape}")
        if not mask.any():
            continue
        same = next((i for i, r in enumerate(regions) if _mask_iou(r.mask, mask) > config.same_mask), None)
        if same is not None:
            regions[same] = replace(regions[same], labels={**box.labels, **regions[same].labels})
            continue
        share = float(np.sqrt(mask.mean()))
        regions.append(Region(box.box_xyxy, mask, float(quality), box.labels, pixels_of(image, mask), share))
    return regions


def _classified(image: np.ndarray, regions: list[Region], classifier: Classifier) -> np.ndarray:
    """(N, C) probabilities of the regions' boxes."""
    rows = np.asarray(classifier.classify(image, [_plain(region.box_xyxy) for region in regions]))
    wanted = len(regions), len(classifier.synsets)
    if rows.shape != wanted:
        raise ValueError(f"Classifier.classify: expected probabilities {wanted}, got {rows.shape}")
    return rows


def _plain(box_xyxy: np.ndarray) -> Box:
    x0, y0, x1, y1 = box_xyxy.tolist()
    return x0, y0, x1, y1


def _box_iou(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    return shared / (float(box_area(a) + box_area(b)) - shared)


def _mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    intersection, union = overlap(a, b)
    return intersection / union if union else 0.0
