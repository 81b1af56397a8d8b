"""Spatial predicates and their composition: tables by hand, mirror laws, and who is left under a superlative."""

from __future__ import annotations

import numpy as np
import pytest

from image_core.errors import ConfigError
from image_core.language.parser import parse_expression
from image_core.language.predicates import (
    PREDICATES,
    SpatialRules,
    between,
    compose,
    exactly,
    far,
    inside,
    middle,
    near,
    phrases_of,
)

SIZE = (80, 100)
ROW = np.array([[0, 30, 20, 50], [30, 30, 50, 50], [70, 20, 100, 60]], float)
"""Three boxes side by side; the last is the biggest. All are centred at y = 40."""
SCATTERED = np.array([[5, 5, 15, 25], [40, 10, 90, 30], [20, 50, 45, 75], [60, 45, 66, 79], [22, 52, 30, 60]], float)
"""Five boxes, the last within the third."""


def flipped(boxes: np.ndarray) -> np.ndarray:
    return np.stack([SIZE[1] - boxes[:, 2], boxes[:, 1], SIZE[1] - boxes[:, 0], boxes[:, 3]], 1)


def upside_down(boxes: np.ndarray) -> np.ndarray:
    return np.stack([boxes[:, 0], SIZE[0] - boxes[:, 3], boxes[:, 2], SIZE[0] - boxes[:, 1]], 1)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("left", [[0, 1, 1], [0, 0, 1], [0, 0, 0]]),
        ("right", [[0, 0, 0], [1, 0, 0], [1, 1, 0]]),
        ("above", [[0, 0, 0]] * 3),
        ("bigger", [[0, 0, 0], [0, 0, 0], [1, 1, 0]]),
        ("smaller", [[0, 0, 1], [0, 0, 1], [0, 0, 0]]),
        ("inside", [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    ],
)
def test_three_boxes_in_a_row(kind: str, wanted: list[list[int]]) -> None:
    assert PREDICATES[kind](ROW, ROW).tolist() == wanted


def test_inside_is_a_share() -> None:
    big, half_in = np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 15, 10], [2, 2, 4, 4], [3, 3, 3, 9]])
    assert inside(half_in, big).ravel().tolist() == [0.5, 1, 0]
    assert inside(big, half_in).ravel().tolist() == [0.5, 0.04, 0]


def test_between_is_the_share_in_the_hull() -> None:
    scores = between(ROW, ROW, ROW)
    assert scores.shape == (3, 3, 3)
    assert scores[1, 0, 2] == scores[1, 2, 0] == 1 and scores[0, 1, 2] == 0 and scores[2, 0, 1] == 0


def test_near_and_far_by_hand() -> None:
    # Diagonal of 60 x 80 is 100: rims 10 px apart are a tenth of it.
    a, b = np.array([[0.0, 0, 10, 10]]), np.array([[20.0, 0, 30, 10], [5, 5, 8, 8], [10, 10, 12, 12]])
    assert near(a, b, (60, 80), 0.1).ravel() == pytest.approx([np.exp(-1), 1, 1])
    assert far(a, b, (60, 80), 0.1).ravel() == pytest.approx([1 - np.exp(-1), 0, 0])


def test_middle_by_hand() -> None:
    boxes = np.array([[40.0, 30, 60, 50], [-10, -10, 10, 10], [90, 70, 110, 90]])
    assert middle(boxes, SIZE) == pytest.approx([1, 0, 0])


@pytest.mark.parametrize(("kind", "opposite"), [("left", "right"), ("above", "below"), ("behind", "front")])
def test_opposites_change_places_in_the_mirror(kind: str, opposite: str) -> None:
    mirror = flipped if kind == "left" else upside_down
    scores = PREDICATES[kind](SCATTERED, SCATTERED)
    assert scores.any() and not (scores * scores.T).any()
    np.testing.assert_array_equal(scores, PREDICATES[opposite](mirror(SCATTERED), mirror(SCATTERED)))
    np.testing.assert_array_equal(scores, PREDICATES[opposite](SCATTERED, SCATTERED).T)


@pytest.mark.parametrize("kind", ["above", "below", "bigger", "smaller", "inside"])
def test_a_mirror_changes_nothing_else(kind: str) -> None:
    mirrored = flipped(SCATTERED)
    np.testing.assert_allclose(PREDICATES[kind](SCATTERED, SCATTERED), PREDICATES[kind](mirrored, mirrored))


def test_all_scores_are_between_0_and_1() -> None:
    pairs = [predicate(SCATTERED, SCATTERED) for predicate in PREDICATES.values()]
    pairs += [near(SCATTERED, SCATTERED, SIZE), far(SCATTERED, SCATTERED, SIZE)]
    assert all(scores.shape == (5, 5) and scores.min() >= 0 and scores.max() <= 1 for scores in pairs)
    assert middle(SCATTERED, SIZE).shape == (5,) and between(SCATTERED, SCATTERED, SCATTERED).max() <= 1


def test_exactly_counts_by_hand() -> None:
    chances = np.array([[0.5, 0.5, 0], [1, 1, 0.25]])
    assert exactly(0, chances) == pytest.approx([0.25, 0])
    assert exactly(1, chances) == pytest.approx([0.5, 0])
    assert exactly(2, chances) == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_among_look_alikes_each_rank_is_one_box(side: str, rank: int) -> None:
    ordinal = ("first", "second", "third", "fourth", "fifth")[rank - 1]
    rules = SpatialRules(superlative="count")
    found = compose(parse_expression(f"{ordinal} from the {side}"), SCATTERED, SIZE, {}, rules)
    axis = SCATTERED[:, [0, 2]] if side in ("left", "right") else SCATTERED[:, [1, 3]]
    order = np.argsort(axis.sum(1) * (1 if side in ("left", "top") else -1))
    assert found.tolist() == [float(i == order[rank - 1]) for i in range(5)]


@pytest.mark.parametrize("kind", ["leftmost", "rightmost", "topmost", "lowest", "biggest", "smallest"])
def test_the_published_superlative_prefers_the_same_box(kind: str) -> None:
    parsed = parse_expression(f"the {kind}")
    pairs, count = (compose(parsed, SCATTERED, SIZE, {}, SpatialRules(superlative=s)) for s in ("pairs", "count"))
    assert pairs.argmax() == count.argmax() and count.max() == 1 and pairs.sum() == pytest.approx(1)


def test_a_superlative_by_hand() -> None:
    """Men are 0 and 2. Pairs: 0.5 x (0.1 + 0.4), 0.1 x 0.4, 0. Count: 0.5, 0.1 x (1 - 1), 0.4 x (1 - 1) x ..."""
    parsed, looks = parse_expression("left man"), {"man": np.array([0.5, 0.1, 0.4])}
    assert compose(parsed, ROW, SIZE, looks) == pytest.approx(np.array([0.25, 0.04, 0]) / 0.29)
    assert compose(parsed, ROW, SIZE, looks, SpatialRules(superlative="count")) == pytest.approx([1, 0, 0])


def test_a_relation_by_hand() -> None:
    """Right of the dog, which is box 0 or, less likely, box 1: box 1 has 0.8 to its left, box 2 has 0.8 + 0.1."""
    looks = {"man": np.array([0.2, 0.4, 0.4]), "dog": np.array([0.8, 0.1, 0.1])}
    found = compose(parse_expression("man to the right of the dog"), ROW, SIZE, looks)
    assert found == pytest.approx(np.array([0, 0.4 * 0.8, 0.4 * 0.9]) / 0.68)


def test_between_two_of_a_kind_needs_two_of_them() -> None:
    looks = {"dog": np.array([1, 1, 1]) / 3, "two men": np.array([0.5, 0, 0.5])}
    assert compose(parse_expression("dog between the two men"), ROW, SIZE, looks) == pytest.approx([0, 1, 0])


def test_a_landmark_may_have_its_own_place() -> None:
    """Behind the right car: the cars are 0 and 2, the only things behind stand above car 2."""
    boxes = np.array([[0, 50, 20, 70], [40, 30, 50, 40], [70, 50, 90, 70], [70, 60, 75, 78]], float)
    looks = {"man": np.full(4, 0.25), "car": np.array([0.5, 0, 0.5, 0])}
    parsed = parse_expression("man behind the right car")
    assert phrases_of(parsed) == ["man", "car"]
    # Centres' heights: 60, 35, 60, 69: only box 1 is above car 2.
    assert compose(parsed, boxes, SIZE, looks) == pytest.approx([0, 1, 0, 0])


def test_what_is_excluded_is_out() -> None:
    looks = {"man": np.array([0.4, 0.4, 0.2]), "man with hat": np.array([0.6, 0.3, 0.1])}
    parsed = parse_expression("man without hat")
    assert compose(parsed, ROW, SIZE, looks) == pytest.approx(np.array([0, 0.4 * 0.5, 0.2 * 5 / 6]) / (0.2 + 1 / 6))
    published = compose(parsed, ROW, SIZE, looks, SpatialRules(own_predicates=False))
    assert published == pytest.approx(looks["man"])


@pytest.mark.parametrize("expression", ["middle", "second from left", "one near a dog", "one far from a dog"])
def test_without_our_predicates_only_the_published_ones_count(expression: str) -> None:
    looks = {"dog": np.array([0.7, 0.2, 0.1])}
    parsed = parse_expression(expression)
    assert compose(parsed, ROW, SIZE, looks, SpatialRules(own_predicates=False)) == pytest.approx([1 / 3] * 3)
    assert compose(parsed, ROW, SIZE, looks).max() > 0.35


@pytest.mark.parametrize("expression", ["left man", "man left of the man", "man between two men", "man inside the man"])
def test_a_rule_that_excludes_all_has_no_effect(expression: str) -> None:
    looks = {"man": np.ones(1), "two men": np.ones(1)}
    assert compose(parse_expression(expression), ROW[:1], SIZE, looks).tolist() == [1]


@pytest.mark.parametrize("wrong", [{"near_scale": 0}, {"superlative": "best"}])
def test_rules_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))}: expected"):
        SpatialRules(**wrong)  # pyright: ignore[reportArgumentType]
