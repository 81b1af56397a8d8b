"""Motions of expressions, and the still parts that an image model is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_core.language.motion import Motion
from image_core.language.motion_parser import parse_timed
from image_core.language.number import expression_for_all
from image_core.language.plurals import plural_of, singular_of

WORDS = [
    "the",
    "a",
    "car",
    "dog",
    "that",
    "is",
    "moving",
    "left",
    "to",
    "and",
    "then",
    "stops",
    "first",
    "not",
    "turning",
    "of",
    "on",
]
NOUNS = ["car", "bus", "box", "child", "man", "woman", "puppy", "toy", "sheep", "fish", "wolf"]


@pytest.mark.parametrize(
    ("expression", "still", "motions"),
    [
        ("the car moving left", "the car", [Motion("goes", "left")]),
        ("the red car that is moving to the right", "the red car", [Motion("goes", "right")]),
        ("a camel walking from right to left", "a camel walking", [Motion("goes", "left")]),
        ("the person coming from the left", "the person", [Motion("goes", "right")]),
        ("the man riding a bike to the left", "the man riding a bike", [Motion("goes", "left")]),
        ("the spider moving down in its web", "the spider in its web", [Motion("goes", "down")]),
        ("a fish swimming towards the bottom right", "a fish swimming", [Motion("goes", "right")]),
        ("the kite rising", "the kite", [Motion("goes", "up")]),
        ("the dog that stops first", "the dog", [Motion("stops", rank=1)]),
        ("the first dog to stop", "the dog", [Motion("stops", rank=1)]),
        ("the second sedan to drive out of the scene", "the sedan", [Motion("leaves", rank=2)]),
        ("the last one that leaves", "the one", [Motion("leaves", rank=-1)]),
        ("the circle that comes to rest", "the circle", [Motion("stops")]),
        ("the car that turns", "the car", [Motion("turns")]),
        ("the square spinning", "the square", [Motion("spins")]),
        ("the girl who turns around", "the girl", [Motion("spins")]),
        ("the car turning left", "the car", [Motion("turns", "left")]),
        ("the person entering from the right", "the person", [Motion("enters", "right")]),
        ("person leaving the picture on the left", "person", [Motion("leaves", "left")]),
        ("the star coming into view", "the star", [Motion("enters")]),
        ("the ant that crosses the screen from left to right", "the ant", [Motion("crosses", "right")]),
        ("the one that stays", "the one", [Motion("still")]),
        ("the dog lying still", "the dog", [Motion("still")]),
        ("the stationary bus", "the bus", [Motion("still")]),
        ("the car that is not moving", "the car", [Motion("moves", negated=True)]),
        ("the car that never stops", "the car", [Motion("stops", negated=True)]),
        ("the cat running away from the camera", "the cat running", [Motion("shrinks")]),
        ("Kitten is walking towards the camera", "kitten is walking", [Motion("grows")]),
        ("the balloon getting smaller", "the balloon", [Motion("shrinks")]),
        ("fish swimming in circles", "fish swimming", [Motion("circles")]),
        ("a ball bouncing up and down", "a ball", [Motion("sways", "along")]),
        ("the fastest car", "the car", [Motion("moves", speed="fastest")]),
        ("the runner who is faster than the others", "the runner", [Motion("moves", speed="fastest")]),
        ("the boat drifting slowly to the left", "the boat", [Motion("goes", "left", speed="slow")]),
        ("the car that moves at the end", "the car", [Motion("moves", when="end")]),
        ("the star that stops twice", "the star", [Motion("stops", times=2)]),
        ("the dog following another", "the dog", [Motion("follows", landmark="another")]),
        ("the car overtaking the other one", "the car", [Motion("overtakes", landmark="the other one")]),
        ("moving left", "the thing", [Motion("goes", "left")]),
    ],
)
def test_motions_and_still_part(expression: str, still: str, motions: list[Motion]) -> None:
    read = parse_timed(expression)
    assert (read.text, read.still, list(read.motions)) == (expression, still, motions)


@pytest.mark.parametrize(
    ("expression", "actions"),
    [
        ("the circle that moves and then stops", [("moves", "", False), ("stops", "", True)]),
        ("the dog that moves left and then right", [("goes", "left", False), ("goes", "right", True)]),
        ("the one who first goes left, then right", [("goes", "left", False), ("goes", "right", True)]),
        ("the car that stops and then goes right", [("stops", "", False), ("goes", "right", True)]),
        ("a horse walking and turning left", [("moves", "", False), ("turns", "left", False)]),
    ],
)
def test_motions_in_sequence(expression: str, actions: list[tuple[str, str, bool]]) -> None:
    assert [(m.action, m.direction, m.then) for m in parse_timed(expression).motions] == actions


@pytest.mark.parametrize(
    "expression",
    [
        "the man on the left",
        "the left man",
        "the man standing on the right",
        "the man looking to the left",
        "the man pointing right",
        "the dolphin to the left of another",
        "the first girl from the left dancing",
        "the last car in the row",
        "the car at the end of the road",
        "a plant with green leaves",
        "an owl turning it s head from right to left",
        "a person moving his hands",
        "the man passing the ball",
        "a man exiting the car",
        "a bus with people getting ready to enter",
        "the car behind the one that turns",
        "a surfboard carried by a man walking to the left",
        "the cat in the spinning wheel",
        "black dog close to the right fence",
        "the red circle",
        "",
    ],
)
def test_an_expression_without_motion_of_the_target_is_unchanged(expression: str) -> None:
    read = parse_timed(expression)
    assert read.motions == () and read.still == read.candidate_query == expression and read.document() == {}


@pytest.mark.parametrize(
    ("expression", "still"),
    [
        ("the man walking", "the man walking"),
        ("man in white shirt walking on the left", "man in white shirt walking on the left"),
        ("the parked car", "the parked car"),
        ("the ball moving towards the net", "the ball moving towards the net"),
        ("a person crossing the street", "a person crossing the street"),
    ],
)
def test_actions_that_one_image_shows_stay_in_the_still_part(expression: str, still: str) -> None:
    read = parse_timed(expression)
    assert read.still == still and read.motions and all(motion.is_seen for motion in read.motions)


@pytest.mark.parametrize(
    ("expression", "query", "several", "count"),
    [
        ("the car moving left", "the cars", False, None),
        ("the cars moving left", "the cars", True, None),
        ("the two that cross", "the ones", True, 2),
        ("a man running to the right", "the men running", False, None),
        ("the white bear is walking to the left", "the white bears are walking", False, None),
        ("the left car that stops", "the left car", False, None),
        ("the biggest dog running left", "the biggest dog running", False, None),
    ],
)
def test_candidate_query_names_all_candidates(expression: str, query: str, several: bool, count: int | None) -> None:
    read = parse_timed(expression)
    assert (read.candidate_query, read.several, read.count) == (query, several, count)


@pytest.mark.parametrize(
    "noun", ["car", "bus", "box", "child", "man", "woman", "puppy", "toy", "sheep", "fish", "wolf"]
)
def test_a_plural_has_its_singular(noun: str) -> None:
    assert singular_of(plural_of(noun)) == noun and plural_of(plural_of(noun)) == plural_of(noun)


def test_the_plural_of_an_empty_phrase_is_unchanged() -> None:
    assert expression_for_all("") == "" and expression_for_all("left") == "left"


@given(st.text(max_size=60))
def test_any_text_is_parsed(text: str) -> None:
    read = parse_timed(text)
    assert read.text == text and (read.motions or read.still == text)


@given(
    st.lists(
        st.sampled_from(
            [
                "the",
                "a",
                "car",
                "dog",
                "that",
                "is",
                "moving",
                "left",
                "to",
                "and",
                "then",
                "stops",
                "first",
                "not",
                "turning",
                "of",
                "on",
            ]
        )
    )
)
def test_the_still_part_has_only_words_of_the_expression(said: list[str]) -> None:
    read = parse_timed(" ".join(said))
    assert set(read.still.split()) <= {*said, "the", "thing"}
