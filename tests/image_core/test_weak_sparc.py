"""How a proposal is shown, pixel by pixel, and SpARC from expression to box with a scorer that sees colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from image_core.errors import ConfigError, DataError
from image_core.language.predicates import SpatialRules
from image_core.weak.prompting import PromptStyle, crop_proposals, show_proposal, show_proposals
from image_core.weak.sparc import Sparc, SparcConfig

RED = (255, 0, 0)
NOISE = np.random.default_rng(0).integers(0, 200, (60, 80, 3), np.uint8)
"""Nothing in it is red."""


def is_red(image: np.ndarray) -> np.ndarray:
    return (image == RED).all(-1)


def test_the_proposal_is_sharp_the_rest_blurred_and_a_rectangle_lies_between() -> None:
    before = NOISE.copy()
    shown = show_proposal(NOISE, np.array([20.0, 10, 50, 40]))
    np.testing.assert_array_equal(NOISE, before)
    np.testing.assert_array_equal(shown[10:40, 20:50], NOISE[10:40, 20:50])
    ring = np.zeros((60, 80), bool)
    ring[8:42, 18:52], ring[10:40, 20:50] = True, False
    np.testing.assert_array_equal(is_red(shown), ring)
    outside = np.ones((60, 80), bool)
    outside[8:42, 18:52] = False
    # Noise of standard deviation 58 is smoothed to nearly nothing, around the same mean.
    assert shown[outside].std() < 5 and NOISE[outside].std() > 50
    assert abs(shown[outside].mean() - NOISE[outside].mean()) < 3


def test_a_box_of_fractions_keeps_every_pixel_it_touches() -> None:
    shown = show_proposal(NOISE, np.array([20.9, 10.2, 49.1, 39.01]))
    np.testing.assert_array_equal(shown, show_proposal(NOISE, np.array([20.0, 10, 50, 40])))


@pytest.mark.parametrize(
    "box", [(0, 0, 80, 60), (-5, -5, 90, 70), (60, 40, 80, 60), (79, 59, 80, 60), (30, 30, 30, 30)]
)
def test_the_rectangle_is_whole_wherever_the_box_lies(box: tuple[int, ...]) -> None:
    red = is_red(show_proposal(NOISE, np.array(box, float)))
    rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
    # A closed frame, two pixels thick on each side.
    for line in (red[rows[0]], red[rows[0] + 1], red[rows[-1]], red[rows[-1] - 1]):
        assert line[columns[0] : columns[-1] + 1].all()
    for line in (red[:, columns[0]], red[:, columns[-1]]):
        assert line[rows[0] : rows[-1] + 1].all()


def test_the_fields_of_the_style() -> None:
    box = np.array([30.0, 20, 40, 30])
    sharp = show_proposal(NOISE, box, PromptStyle(blur_px=0, colour=(1, 2, 250), min_thickness_px=1))
    changed = (sharp != NOISE).any(-1)
    assert changed.sum() <= 12 * 12 - 10 * 10 and sharp[19, 29].tolist() == [1, 2, 250]
    thick = show_proposal(NOISE, box, PromptStyle(thickness_share=0.1))
    assert is_red(thick)[14:20, 30:40].all() and not is_red(thick)[13].any()


def test_many_are_each_of_them() -> None:
    boxes = np.array([[0, 0, 10, 10], [30, 20, 60, 50]], float)
    for shown, box in zip(show_proposals(NOISE, boxes), boxes, strict=True):
        np.testing.assert_array_equal(shown, show_proposal(NOISE, box))
    first, second = crop_proposals(NOISE, boxes)
    assert first.shape == (10, 10, 3)
    np.testing.assert_array_equal(second, NOISE[20:50, 30:60])


@pytest.mark.parametrize("wrong", [{"blur_px": -1}, {"colour": (0, 0, 256)}, {"colour": (0, 0)}])
def test_styles_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="PromptStyle"):
        PromptStyle(**wrong)  # pyright: ignore[reportArgumentType]


COLOURS = {"green": (0, 200, 0), "blue": (0, 0, 200), "white": (255, 255, 255)}
SQUARES = {"green": [(4, 10, 14, 20), (24, 10, 34, 20), (44, 8, 64, 28)], "blue": [(24, 26, 34, 36), (66, 44, 72, 50)]}
PICTURE = np.full((60, 80, 3), 90, np.uint8)
for _colour, _boxes in SQUARES.items():
    for _x0, _y0, _x1, _y1 in _boxes:
        PICTURE[_y0:_y1, _x0:_x1] = COLOURS[_colour]
PROPOSALS = np.array([box for boxes in SQUARES.values() for box in boxes], float)
"""0 to 2 green from left to right, the last the biggest; 3 blue below the second, 4 blue on the right, small."""


class ColourScorer:
    """Sees how much of the picture's middle within the red rectangle has a colour that the text names."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def scores(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        return np.array([[self._score(image, text) for text in texts] for image in images])

    def _score(self, image: np.ndarray, text: str) -> float:
        rows, columns = np.nonzero(is_red(image)) if is_red(image).any() else map(np.arange, image.shape[:2])
        centre = image[(rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2]
        # The colour named last is the landmark's: a caption's own is its first.
        named = [COLOURS[word] for word in text.split() if word in COLOURS]
        return 6.0 * bool(named and (centre == named[0]).all())


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("left green square", 0),
        ("the rightmost green square", 2),
        ("second green square from the left", 1),
        ("2nd green thing from right", 1),
        ("the biggest green square", 2),
        ("the smallest blue one", 4),
        ("green square near the blue square on the left", 1),
        ("the blue square to the right of the biggest green square", 4),
        ("green square between the green squares", 1),
        ("bottom blue square", 4),
        ("blue square far left", 3),
        ("the blue square, not the left one", 4),
    ],
)
def test_an_expression_finds_its_box(expression: str, wanted: int) -> None:
    config = SparcConfig(spatial=SpatialRules(superlative="count"))
    (found,) = Sparc(ColourScorer(), config).locate(PICTURE, PROPOSALS, [expression])
    assert found.index == wanted
    np.testing.assert_array_equal(found.box_xyxy, PROPOSALS[wanted])
    assert found.probabilities.sum() == pytest.approx(1) and found.score == found.probabilities.max()


def test_expressions_together_are_expressions_apart() -> None:
    expressions = ["left green square", "the biggest green square", "blue", "left green square"]
    sparc = Sparc(ColourScorer())
    apart = [sparc.locate(PICTURE, PROPOSALS, [expression])[0] for expression in expressions]
    for one, other in zip(sparc.locate(PICTURE, PROPOSALS, expressions), apart, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
    assert sparc.locate(PICTURE, PROPOSALS, []) == []


def asked(expression: str, config: SparcConfig) -> list[str]:
    scorer = ColourScorer()
    Sparc(scorer, config).locate(PICTURE, PROPOSALS, [expression])
    return scorer.texts


def test_texts_of_the_scorer() -> None:
    expression = "Green square left of the  blue one"
    phrases = ["a photo of green square", "a photo of blue square"]
    caption = "a photo of green square left of the blue one"
    assert asked(expression, SparcConfig()) == [*phrases, caption]
    assert asked(expression, SparcConfig(caption_weight=0)) == phrases
    assert asked(expression, SparcConfig(rules=False)) == [caption]
    assert asked("man in green", SparcConfig(template="{}!")) == ["man in green!"]


def test_without_rules_place_means_nothing() -> None:
    (found,) = Sparc(ColourScorer(), SparcConfig(rules=False)).locate(PICTURE, PROPOSALS, ["right green square"])
    assert found.probabilities[0] == found.probabilities[2] > found.probabilities[4]


def test_crops_are_shown_on_demand() -> None:
    (found,) = Sparc(ColourScorer(), SparcConfig(prompt="crop")).locate(PICTURE, PROPOSALS, ["right blue square"])
    assert found.index == 4


def test_the_caption_weighs_in_at_the_end() -> None:
    """A caption that fits one box alone decides between boxes that the rules leave equal."""
    # The phrase of the head is "square", which says nothing of colours; the caption names blue.
    expression = ["square near the blue one"]
    without = Sparc(ColourScorer(), SparcConfig(caption_weight=0)).locate(PICTURE, PROPOSALS, expression)[0]
    assert without.index == 1
    assert Sparc(ColourScorer()).locate(PICTURE, PROPOSALS, expression)[0].index in (3, 4)


@pytest.mark.parametrize("boxes", [np.zeros((0, 4)), np.zeros(4), np.zeros((2, 5))])
def test_no_proposals_are_the_inputs_fault(boxes: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected proposals"):
        Sparc(ColourScorer()).locate(PICTURE, boxes, ["blue"])


def test_an_expression_without_words_and_an_image_of_floats_are_too() -> None:
    sparc = Sparc(ColourScorer())
    with pytest.raises(DataError, match="expected expressions with words"):
        sparc.locate(PICTURE, PROPOSALS, ["blue", " "])
    with pytest.raises(DataError, match=r"expected a picture uint8 \(H, W, 3\), got float64"):
        sparc.locate(PICTURE / 255, PROPOSALS, ["blue"])


@pytest.mark.parametrize("wrong", [{"prompt": "circle"}, {"template": "a photo"}, {"caption_weight": -1}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"SparcConfig\.{next(iter(wrong))}: expected"):
        SparcConfig(**wrong)  # pyright: ignore[reportArgumentType]
