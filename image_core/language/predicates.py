"""Spatial predicates over boxes, and how a parsed expression combines them with the scores of its phrases.

The predicates of the keywords left ... inside, the ternary between, and the composition are ReCLIP's (Subramanian et
al., 2022), which SpARC is taken to adopt. Ours, since no rule is published: middle, near, far, "second from", negation.
A box is never its own landmark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from image_core.errors import ConfigError
from image_core.geometry.boxes import box_area
from image_core.language.expression import Referent, Relation, Superlative

Size = tuple[int, int]
"""Height and width of the picture, in pixels."""
Predicate = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(N, 4) and (M, 4) xyxy -> (N, M) in [0, 1]: the degree to which box n stands in the relation to box m."""


@dataclass(frozen=True)
class SpatialRules:
    """How the spatial predicates judge boxes. None of this is published; it is proposed."""

    # "pairs" weighs a box by the summed probability of the boxes that it exceeds (ReCLIP); "count" by the probability
    # that no box comes before it, so that of equally likely boxes only the first is left. Ranks above 1 always count.
    superlative: Literal["pairs", "count"] = "pairs"
    near_scale: float = 0.1  # distance between rims at which nearness is 1/e, in diagonals of the picture
    own_predicates: bool = True  # whether middle, near, far, ranks and negation count at all

    def __post_init__(self) -> None:
        if self.superlative not in ("pairs", "count"):
            raise ConfigError(f"SpatialRules.superlative: expected pairs or count, got '{self.superlative}'")
        if not self.near_scale > 0:
            raise ConfigError(f"SpatialRules.near_scale: expected a positive number, got {self.near_scale}")


def left(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, M) of 0 and 1: whose centre lies further left."""
    return _less(boxes[:, 0] + boxes[:, 2], others[:, 0] + others[:, 2])


def right(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, M) of 0 and 1: whose centre lies further right."""
    return left(others, boxes).T


def above(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, M) of 0 and 1: whose top and bottom together lie higher."""
    return _less(boxes[:, 1] + boxes[:, 3], others[:, 1] + others[:, 3])


def below(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, M) of 0 and 1: whose top and bottom together lie lower."""
    return above(others, boxes).T


def smaller(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, M) of 0 and 1: whose area is less."""
    return _less(box_area(boxes), box_area(others))


def bigger(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, M) of 0 and 1: whose area is more."""
    return smaller(others, boxes).T


def inside(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, M): the share of box n that lies in box m; 0 for an empty box."""
    return _share_inside(boxes[:, None], others[None])


PREDICATES: dict[str, Predicate] = {
    "left": left,
    "right": right,
    "above": above,
    "below": below,
    # ReCLIP: what is behind stands higher in the picture, what is in front lower.
    "behind": above,
    "front": below,
    "bigger": bigger,
    "smaller": smaller,
    "inside": inside,
}


def between(boxes: np.ndarray, firsts: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """(N, 4), (M, 4), (K, 4) -> (N, M, K): the share of box n in the hull of boxes m and k."""
    pairs = firsts[:, None], seconds[None]
    hull = np.concatenate([np.minimum(*pairs)[..., :2], np.maximum(*pairs)[..., 2:]], -1)
    return _share_inside(boxes[:, None, None], hull[None])


def near(boxes: np.ndarray, others: np.ndarray, size: Size, scale: float = SpatialRules.near_scale) -> np.ndarray:
    """(N, M): 1 where two boxes touch or overlap, 1/e where their rims are `scale` diagonals of the picture apart."""
    gaps = np.maximum(boxes[:, None, :2] - others[None, :, 2:], others[None, :, :2] - boxes[:, None, 2:])
    distance = np.linalg.norm(np.clip(gaps, 0, None), axis=-1)
    return np.exp(-distance / (scale * np.hypot(*size)))


def far(boxes: np.ndarray, others: np.ndarray, size: Size, scale: float = SpatialRules.near_scale) -> np.ndarray:
    """(N, M): the complement of `near`."""
    return 1 - near(boxes, others, size, scale)


def middle(boxes: np.ndarray, size: Size) -> np.ndarray:
    """(N,): 1 for a box whose centre is that of the picture, 0 for one centred on a corner."""
    height, width = size
    offsets = (boxes[:, :2] + boxes[:, 2:]) / 2 - np.array([width, height]) / 2
    return np.clip(1 - 2 * np.linalg.norm(offsets, axis=-1) / np.hypot(*size), 0, 1)


def compose(
    referent: Referent,
    boxes_xyxy: np.ndarray,
    size: Size,
    phrase_probabilities: Mapping[str, np.ndarray],
    rules: SpatialRules = SpatialRules(),
) -> np.ndarray:
    """(N,) probabilities that sum to one: that each of N boxes is the target.

    phrase_probabilities: phrase -> (N,) probabilities that a box shows it, for every phrase of `phrases_of(referent)`.
    A rule that would leave no box is ignored.
    """
    count = len(boxes_xyxy)
    scores = phrase_probabilities[referent.phrase] if referent.phrase else np.full(count, 1 / count)
    for relation in referent.relations:
        if relation.kind != "with":
            scores = reweighted(scores, _relation(relation, boxes_xyxy, size, phrase_probabilities, rules))
    for superlative in referent.superlatives:
        scores = reweighted(scores, _superlative(superlative, scores, boxes_xyxy, size, rules))
    for other in referent.excluded if rules.own_predicates else ():
        excluded = compose(other, boxes_xyxy, size, phrase_probabilities, rules)
        scores = reweighted(scores, 1 - excluded / excluded.max())
    return scores


def phrases_of(referent: Referent) -> list[str]:
    """The phrases that `compose` asks for, of the referent, its landmarks and what it is not; each once."""
    landmarks = [
        landmark for relation in referent.relations if relation.kind != "with" for landmark in relation.landmarks
    ]
    inner = [phrase for other in (*landmarks, *referent.excluded) for phrase in phrases_of(other)]
    return list(dict.fromkeys([phrase for phrase in (referent.phrase, *inner) if phrase]))


def _relation(
    relation: Relation,
    boxes: np.ndarray,
    size: Size,
    phrase_probabilities: Mapping[str, np.ndarray],
    rules: SpatialRules,
) -> np.ndarray:
    """(N,): how well each box fits the relation to the landmarks, whose boxes are uncertain."""
    landmark_probabilities = [
        compose(landmark, boxes, size, phrase_probabilities, rules) for landmark in relation.landmarks
    ]
    not_itself = 1 - np.eye(len(boxes))
    if relation.kind == "between":
        distinct = not_itself[:, :, None] * not_itself[:, None, :] * not_itself[None]
        return np.einsum("nmk,m,k->n", between(boxes, boxes, boxes) * distinct, *landmark_probabilities)
    if relation.kind in PREDICATES:
        return (PREDICATES[relation.kind](boxes, boxes) * not_itself) @ landmark_probabilities[0]
    if not rules.own_predicates:
        return np.ones(len(boxes))
    measure = near if relation.kind == "near" else far
    return (measure(boxes, boxes, size, rules.near_scale) * not_itself) @ landmark_probabilities[0]


def _superlative(
    superlative: Superlative, scores: np.ndarray, boxes: np.ndarray, size: Size, rules: SpatialRules
) -> np.ndarray:
    """(N,): how well each box fits the superlative among boxes that are the target with probabilities `scores`."""
    counts = superlative.rank > 1 or superlative.kind == "middle"
    if counts and not rules.own_predicates:
        return np.ones(len(boxes))
    if superlative.kind == "middle":
        return middle(boxes, size)
    more = PREDICATES[superlative.kind](boxes, boxes)
    if superlative.rank == 1 and rules.superlative == "pairs":
        return more @ scores
    return exactly(superlative.rank - 1, more.T * (scores / scores.max())[None])


def exactly(count: int, probabilities: np.ndarray) -> np.ndarray:
    """(N, M) independent probabilities -> (N,): the probability that exactly `count` events of each row occur."""
    ways = np.zeros((len(probabilities), count + 1))
    ways[:, 0] = 1
    for chance in probabilities.T[..., None]:
        moved = np.pad(ways, ((0, 0), (1, 0)))[:, :-1]
        ways = ways * (1 - chance) + moved * chance
    return ways[:, count]


def reweighted(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N,) times (N,), summing to one; the scores as they were where nothing is left."""
    product = scores * weights
    total = product.sum()
    return product / total if total > 0 else scores


def _less(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a[:, None] < b[None]).astype(np.float64)


def _share_inside(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(..., 4) and (..., 4), broadcast -> (...): intersection over the area of the first."""
    low, high = np.maximum(boxes[..., :2], others[..., :2]), np.minimum(boxes[..., 2:], others[..., 2:])
    shared = np.clip(high - low, 0, None).prod(-1).astype(np.float64)
    area = np.broadcast_to(box_area(boxes), shared.shape)
    return np.divide(shared, area, out=np.zeros_like(shared), where=area > 0)
