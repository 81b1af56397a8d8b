"""What expressions are understood as, and how colours are measured."""

from __future__ import annotations

import numpy as np
import pytest

from image_core.grounded.colours import COLOURS, MAX_PIXELS, TONES, colour_share, pixels_of
from image_core.grounded.understanding import understand
from image_core.language.words import COLOURS as SPOKEN


@pytest.mark.parametrize(
    ("expression", "noun", "colours", "places", "relations", "without_effect"),
    [
        ("a white car crossing a signal", "car", ["white"], [], [], ["crossing", "signal"]),
        ("a girl in a blue dress twirling", "girl", ["blue"], [], [], ["dress", "twirling"]),
        ("a pink cell phone in a girl's hand", "cell phone", ["pink"], [], [], ["girl's", "hand"]),
        ("a hot dog", "hot dog", [], [], [], []),
        ("the left orange", "orange", [], ["left"], [], []),
        ("a man riding a red bicycle", "man", [], [], ["near red bicycle"], []),
        ("a big man on the right", "man", [], ["right", "bigger"], [], []),
        ("second dog from the left", "dog", [], ["left 2"], [], []),
        ("person between the two cars", "person", [], [], ["between cars and cars"], ["two"]),
        ("a dark blue car", "car", ["blue"], [], [], ["dark"]),
        ("a dark car", "car", ["dark"], [], [], []),
        ("the sheep left of the tree", "sheep", [], [], [], ["left", "tree"]),
        ("a black rope", "rope", ["black"], [], [], ["black", "rope"]),
        ("the tall one", "", [], ["bigger"], [], []),
    ],
)
def test_what_is_understood(
    expression: str, noun: str, colours: list[str], places: list[str], relations: list[str], without_effect: list[str]
) -> None:
    told = understand(expression).document()
    assert told["noun"] == noun and told["attributes"] == colours and told["places"] == places
    assert told["relations"] == relations and told["without_effect"] == without_effect


@pytest.mark.parametrize(
    ("expression", "own", "worn", "details"),
    [
        ("a red car", ["red"], [], []),
        ("a black and white dog", ["black", "white"], [], []),
        ("a girl in a blue dress", [], ["blue"], []),
        ("the man in red", [], ["red"], []),
        ("a man in a black and white shirt", [], ["black", "white"], []),
        ("a white dog with black patches", ["white"], [], ["black"]),
        ("a man with a blue belt on the right", [], [], ["blue"]),
        ("a man in a white helmet driving a wooden car", [], [], ["white"]),
        ("a woman with long blonde hair in a red coat", [], ["red"], ["blonde"]),
    ],
)
def test_whose_the_colours_are(expression: str, own: list[str], worn: list[str], details: list[str]) -> None:
    thing = understand(expression).thing
    assert [list(thing.colours), list(thing.worn), list(thing.details)] == [own, worn, details]


@pytest.mark.parametrize(
    ("expression", "several", "count"),
    [
        *(("both dogs", True, 2), ("all people", True, None), ("the two men on the left", True, 2)),
        *(("a group of people", True, None), ("a pair of scissors", False, None), ("the dog", False, None)),
        *(("one of the two dogs", False, None), ("a girl holding two phones", False, None), ("everyone", True, None)),
    ],
)
def test_the_number_of_targets(expression: str, several: bool, count: int | None) -> None:
    understood = understand(expression)
    assert (understood.several, understood.count) == (several, count)


def test_several_nouns_and_exclusions() -> None:
    assert [thing.noun for thing in understand("the dog and the cat").also] == ["cat"]
    assert understand("man not in red").document()["excluded"] == ["red man"]
    # Nothing tells a hat: what is left of the exclusion would be every man.
    assert understand("the man without a hat").document()["excluded"] == []


@pytest.mark.parametrize(
    "expression", ["", " ", "??", "left", "собака", "the " * 200 + "dog", "dog " * 200, "not", "and"]
)
def test_any_text_is_understood_somehow(expression: str) -> None:
    assert understand(expression).things


def test_colours_are_those_that_the_parser_knows() -> None:
    assert COLOURS.keys() <= SPOKEN and not COLOURS.keys() & TONES.keys()
    patterns = {"multicolored", "colorful", "plaid", "striped", "stripped"}
    assert SPOKEN - COLOURS.keys() == patterns


@pytest.mark.parametrize(
    ("rgb", "names", "others"),
    [
        ((200, 20, 20), "red", "blue green white black orange yellow"),
        ((95, 12, 16), "red maroon dark", "pink orange blue"),
        ((30, 50, 190), "blue", "red green purple white"),
        ((20, 25, 70), "navy blue dark", "white red"),
        ((40, 150, 50), "green", "blue red yellow"),
        ((240, 220, 40), "yellow", "green red blue"),
        ((240, 130, 20), "orange", "blue pink green"),
        ((250, 160, 190), "pink", "blue green black"),
        ((110, 70, 40), "brown", "blue green white pink"),
        ((210, 180, 140), "tan beige", "blue green black"),
        ((250, 250, 250), "white light", "black red"),
        ((12, 12, 14), "black dark", "white red"),
        ((128, 128, 128), "gray", "white black red"),
        ((120, 40, 170), "purple", "green yellow"),
    ],
)
def test_plain_colours_have_their_names(rgb: tuple[int, int, int], names: str, others: str) -> None:
    hsv = pixels_of(np.full((8, 8, 3), rgb, np.uint8), np.ones((8, 8), bool))
    assert [name for name in names.split() if colour_share(hsv, name) < 1] == []
    assert [name for name in others.split() if colour_share(hsv, name) > 0] == []


def test_only_the_mask_is_measured_and_not_every_pixel() -> None:
    image = np.full((200, 200, 3), (250, 250, 250), np.uint8)
    image[:, :50] = (200, 20, 20)
    half = np.zeros((200, 200), bool)
    half[:, :100] = True
    hsv = pixels_of(image, half)
    assert len(hsv) <= MAX_PIXELS and colour_share(hsv, "red") == pytest.approx(0.5, abs=0.02)
    assert colour_share(pixels_of(image, np.zeros_like(half)), "red") == 0
