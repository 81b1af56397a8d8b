"""Selects the boxes of a detector that are segmented for one expression.

A crowd has more people than there is time to segment. Boxes that fit the noun phrases of the expression come first, by
the detector's classes and by their colours; if the detector has no class for a noun, every box may show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from image_core.geometry.boxes import box_area, box_iou_matrix, clip_boxes
from image_core.grounded.colours import colour_share, pixels_of
from image_core.grounded.config import GroundedConfig
from image_core.grounded.parts import Box, Detection
from image_core.grounded.understanding import NounPhrase, Understanding
from image_core.language.predicates import inside

INSIDE_SHARE = 0.8
"""Share of a box that lies in another, from which it counts as inside."""
CENTRE_SHARE = 0.6
"""Share of each side of a box in which its colours are measured before it has a mask."""


@dataclass(frozen=True)
class Proposal:
    """The boxes of one object: the best one, and the labels of all."""

    #: (4,) float64, pixels.
    box_xyxy: np.ndarray
    #: Label -> best score, the label of the best box first.
    labels: Mapping[str, float]

    @property
    def corners(self) -> Box:
        """The box as plain numbers."""
        x0, y0, x1, y1 = self.box_xyxy.tolist()
        return x0, y0, x1, y1

    @property
    def label(self) -> str:
        """The label of the best box."""
        return next(iter(self.labels))

    @property
    def score(self) -> float:
        """[0, 1]: the confidence that the box contains an object of any class."""
        return max(self.labels.values())


def proposals_of(detections: Sequence[Detection], size: tuple[int, int], config: GroundedConfig) -> list[Proposal]:
    """The objects that a detector found in an image of `size` (height, width), best first: without boxes of too low a
    score, with one box per object, and without boxes around several objects."""
    proposals: list[Proposal] = []
    for detection in sorted(detections, key=lambda detection: -detection.score):
        box = clip_boxes(np.asarray(detection.box_xyxy, np.float64), size)
        labels = {detection.label: detection.score, **detection.others}
        if detection.score < config.least_score or box_area(box) < 1:
            continue
        kept_boxes = np.array([thing.box_xyxy for thing in proposals]).reshape(-1, 4)
        same = np.flatnonzero(box_iou_matrix(kept_boxes, box[None])[:, 0] > config.same_box)
        if len(same):
            proposals[same[0]] = Proposal(kept_boxes[same[0]], merge_labels(proposals[same[0]].labels, labels))
        elif not _is_group(box, detection.label, proposals, config.group):
            proposals.append(Proposal(box, labels))
    return proposals


def select_proposals(
    image: np.ndarray, proposals: Sequence[Proposal], understood: Understanding, config: GroundedConfig
) -> list[Proposal]:
    """At most `config.most_boxes` for the target (half as many more for several targets, or one given by its place
    among others), and `config.most_landmarks` for each landmark. In the order of the proposals."""
    many = understood.several or understood.also or understood.referent.superlatives
    max_target = config.most_boxes * 3 // 2 if many else config.most_boxes
    selected: set[int] = set()
    for phrase in (*understood.things, *understood.also):
        max_boxes = max_target if phrase in (understood.thing, *understood.also) else config.most_landmarks
        priorities = np.array([_mask_priority(image, proposal, phrase, config) for proposal in proposals])
        order = np.argsort(-priorities, kind="stable")
        selected |= set(order[priorities[order] > 0][:max_boxes].tolist())
    return [proposals[i] for i in sorted(selected)]


def merge_labels(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """The labels of both, each with its better score."""
    names = dict.fromkeys([*first, *second])
    return {name: max(first.get(name, 0.0), second.get(name, 0.0)) for name in names}


def label_score(phrase: NounPhrase, labels: Mapping[str, float]) -> float:
    """[0, 1]: the detector's confidence that a box shows the noun of a phrase; 0 if no label fits it. The score of a
    label is multiplied by its ratio to the best label's score, since a box shows one object. For a phrase without a
    noun: the confidence that the box shows any object."""
    best = max(labels.values())
    if phrase.is_anything:
        return best
    own = max((labels[name] for name in phrase.names if name in labels), default=0.0)
    return own * own / best if own else 0.0


def colour_scores(hsv: np.ndarray, phrase: NounPhrase, config: GroundedConfig) -> np.ndarray:
    """(P, 3) pixels of a region -> (C,) in [0, 1]: the score of each colour of a phrase.

    An object's own colour fills a good part of it, the colour of clothes a smaller part: a man in red has blue
    trousers, hair and a face as well. A larger share than that counts no more.
    """
    enough = [
        *[config.colour_own / max(len(phrase.colours), 1)] * len(phrase.colours),
        *[config.colour_worn] * len(phrase.worn),
        *[config.colour_detail] * len(phrase.details),
    ]
    shares = np.array([colour_share(hsv, colour) for colour in phrase.all_colours], np.float64)
    return np.minimum(shares / np.array(enough, np.float64), 1)


def _mask_priority(image: np.ndarray, proposal: Proposal, phrase: NounPhrase, config: GroundedConfig) -> float:
    """The priority of a box for segmentation: 0 if the detector has a class for the noun, the box has another label,
    and the classifier has no class for the noun."""
    unnamed = config.class_floor * proposal.score if phrase.meaning.synsets or not phrase.meaning.coco else 0.0
    score = max(label_score(phrase, proposal.labels), unnamed)
    if not phrase.all_colours:
        return score
    x0, y0, x1, y1 = proposal.box_xyxy
    margin = (1 - CENTRE_SHARE) / 2
    rows = slice(int(y0 + margin * (y1 - y0)), max(int(y1 - margin * (y1 - y0)), int(y0) + 1))
    columns = slice(int(x0 + margin * (x1 - x0)), max(int(x1 - margin * (x1 - x0)), int(x0) + 1))
    centre = image[rows, columns]
    hsv = pixels_of(centre, np.ones(centre.shape[:2], bool))
    return score * float((config.colour_floor + colour_scores(hsv, phrase, config)).prod())


def _is_group(box: np.ndarray, label: str, better: Sequence[Proposal], min_count: int) -> bool:
    """Whether a box contains several better boxes of its class: a crowd that was detected as one."""
    own = [other.box_xyxy for other in better if label == other.label]
    return len(own) >= min_count and int((inside(np.stack(own), box[None]) > INSIDE_SHARE).sum()) >= min_count
