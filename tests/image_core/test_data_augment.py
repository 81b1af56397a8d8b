"""Augmentation keeps expressions true: by tables of words, by a picture that knows its own truth, and by laws."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from image_core.data.augment import COLOUR_LIMIT, Augmentation, augment, jitter_colours, mirror, random_crop
from image_core.data.words import depends_on_place, mirror_words, words_of
from image_core.errors import ConfigError
from image_core.sample import ImageSample


@pytest.mark.parametrize(
    ("expression", "mirrored"),
    [
        ("the dog on the left", "the dog on the right"),
        ("Left man, RIGHT hand", "Right man, LEFT hand"),
        ("leftmost of the rightmost two", "rightmost of the leftmost two"),
        ("left-hand side", "right-hand side"),
        ("lefthand lefthanded leftward leftside", "righthand righthanded rightward rightside"),
        ("bottomright corner, topleft, far-left", "bottomleft corner, topright, far-right"),
        ("2nd from the left", "2nd from the right"),
        ("left of the right one", "right of the left one"),
        ("the one left of the star", "the one right of the star"),
        ("his right arm", "his left arm"),
        ("THE DOG ON THE LEFT", "THE DOG ON THE RIGHT"),
        ("the bright upright box", "the bright upright box"),
        ("a dog's tail, dog s tail, t shirt", "a dog's tail, dog s tail, t shirt"),
        ("second cup", "second cup"),
        ("", ""),
    ],
)
def test_mirror_words(expression: str, mirrored: str) -> None:
    assert mirror_words(expression) == mirrored
    assert mirror_words(mirrored) == expression


@pytest.mark.parametrize(
    "expression",
    [
        "the dial turned clockwise",
        "anticlockwise arrow",
        "the letter L",
        "bag with an R",
        "player number seven",
        "player 23",
        'the sign that says "stop"',
        "the 'open' sign",
        "the NIKE bag",
        "3 o'clock",
        "lft guy",
        "rigth guy",
        "guy on rt",
        "right behind the car",
        "right next to the dog",
        "the right-angled one",
        "the pizza left over",
        "the one left",
        "leftovers",
        "the west wing",
        "driver's side",
        "righty",
        "copyright mark",
        "keep right side up",
    ],
)
def test_unknown_mirrors_are_not_guessed(expression: str) -> None:
    assert mirror_words(expression) is None


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("the red striped star", False),
        ("man in blue", False),
        ("the bright one", False),
        ("all the dotted ones", False),
        ("woman with umbrella", False),
        ("the dog on the left", True),
        ("topleft bowl", True),
        ("second dog", True),
        ("2nd dog", True),
        ("cup on the table", True),
        ("the small star", True),
        ("the star next to the circle", True),
        ("everything except the star", True),
        ("the three squares", True),
        ("the thing that partly hides the heart", True),
        ("BIGGEST PIZZA", True),
    ],
)
def test_speaks_of_place(expression: str, expected: bool) -> None:
    assert depends_on_place(expression) is expected


def test_words_of() -> None:
    assert words_of("The left-hand dog's Ball, 2nd!") == ["the", "left-hand", "dog's", "ball", "2nd"]


def scene(*expressions: str, size: tuple[int, int] = (60, 90)) -> ImageSample:
    """A red box left of the middle, a blue one on the right; each expression means the box whose colour it names."""
    masks = {"red": np.zeros(size, bool), "blue": np.zeros(size, bool), "": np.zeros(size, bool)}
    masks["red"][20:35, 18:30] = True
    masks["blue"][25:40, 50:70] = True
    image = np.full((*size, 3), 200, np.uint8)
    image[masks["red"]] = (220, 20, 20)
    image[masks["blue"]] = (20, 40, 220)
    chosen = [next(colour for colour in masks if colour in e) for e in expressions]
    return ImageSample(image, expressions, np.stack([masks[c] for c in chosen]), "scene", tuple(chosen))


def is_true(sample: ImageSample) -> bool:
    """Each mask lies exactly on the pixels of its colour, on the side its expression names."""
    centre = sample.image.shape[1] / 2
    for expression, mask, family in zip(sample.expressions, sample.masks, sample.families, strict=True):
        channel = {"red": 0, "blue": 2}[family]
        others = np.delete(sample.image.astype(int), channel, axis=2).max(2)
        if not np.array_equal(sample.image[..., channel].astype(int) - others > 60, mask):
            return False
        x = np.flatnonzero(mask.any(0)).mean()
        if ("left" in expression and x > centre) or ("right" in expression and x < centre):
            return False
    return True


def test_mirror_keeps_the_expressions_true_and_twice_is_nothing() -> None:
    sample = scene("red box on the left", "the blue one at right", "red")
    mirrored = mirror(sample)
    assert mirrored.expressions == ("red box on the right", "the blue one at left", "red")
    assert is_true(sample) and is_true(mirrored)
    assert mirrored.families == sample.families and mirrored.expression_ids == sample.expression_ids
    twice = mirror(mirrored)
    np.testing.assert_array_equal(twice.image, sample.image)
    np.testing.assert_array_equal(twice.masks, sample.masks)
    assert twice.expressions == sample.expressions


def test_one_expression_without_a_mirror_keeps_the_image() -> None:
    sample = scene("red box on the left", "blue box number 2")
    assert mirror(sample) is sample


def test_crops_hold_every_target_whole_and_keep_the_shape() -> None:
    sample = scene("the red box", "blue box", "green box")
    smallest = 1.0
    for seed in range(200):
        cropped = random_crop(sample, np.random.default_rng(seed), 0.5)
        assert (cropped.masks.sum((1, 2)) == sample.masks.sum((1, 2))).all()
        height, width = cropped.image.shape[:2]
        assert abs(width / height - 1.5) < 0.06
        smallest = min(smallest, height / 60)
    # both targets together span 52 of 90 columns
    assert 0.55 < smallest < 0.65


def test_crops_of_an_image_without_targets_go_down_to_the_least() -> None:
    sample = scene("green box")
    heights = [random_crop(sample, np.random.default_rng(seed), 0.5).image.shape[0] for seed in range(200)]
    assert 30 <= min(heights) <= 32 and max(heights) >= 58


def test_words_of_place_are_not_cropped() -> None:
    sample = scene("the red box", "blue box on the right")
    assert all(random_crop(sample, np.random.default_rng(seed), 0.5) is sample for seed in range(5))


def test_a_target_that_fills_the_image_is_left_whole() -> None:
    full = ImageSample(np.zeros((20, 30, 3), np.uint8), ("all of it",), np.ones((1, 20, 30), bool), "full")
    assert random_crop(full, np.random.default_rng(0), 0.5).image.shape == (20, 30, 3)


def test_augment_keeps_the_truth_over_many_draws_and_leaves_its_input() -> None:
    free, placed = scene("the red box", "blue"), scene("red box on the left", "blue")
    before = free.image.copy()
    settings = Augmentation(flip=0.5, crop=0.5, crop_min=0.7)
    seen = set()
    for seed in range(100):
        for sample in (free, placed):
            result = augment(sample, np.random.default_rng(seed), settings)
            assert is_true(result)
            seen.add((result.expressions, result.image.shape[0] < 60))
    np.testing.assert_array_equal(free.image, before)
    assert seen == {
        (("the red box", "blue"), False),
        (("the red box", "blue"), True),
        (("red box on the left", "blue"), False),
        (("red box on the right", "blue"), False),
    }


def test_augment_is_a_function_of_the_generator() -> None:
    sample = scene("the red box")
    one, two = (augment(sample, np.random.default_rng(5), Augmentation()) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)


def test_no_augmentation_is_the_identity() -> None:
    sample = scene("the red box")
    result = augment(sample, np.random.default_rng(0), Augmentation(0, 0, 0, 0, 0))
    np.testing.assert_array_equal(result.image, sample.image)


COLOURS = {
    "black": (20, 20, 20),
    "white": (245, 245, 245),
    "grey": (128, 128, 128),
    "red": (215, 25, 25),
    "green": (30, 150, 40),
    "blue": (30, 60, 220),
    "yellow": (245, 225, 30),
    "orange": (250, 135, 15),
    "brown": (110, 65, 30),
    "pink": (250, 150, 190),
    "purple": (130, 40, 160),
}


def nearest_name(rgb: np.ndarray) -> str:
    """The basic colour whose prototype lies nearest in CIELAB."""
    table = np.array([*COLOURS.values(), rgb], np.float32)[None] / 255
    lab = cv2.cvtColor(table, cv2.COLOR_RGB2LAB)[0]
    return list(COLOURS)[int(np.linalg.norm(lab[:-1] - lab[-1], axis=1).argmin())]


@pytest.mark.parametrize("ground", ["black", "white", "grey"])
@pytest.mark.parametrize("name", COLOURS)
def test_the_strongest_jitter_keeps_colour_names_and_hues(name: str, ground: str) -> None:
    image = np.full((10, 10, 3), COLOURS[ground], np.uint8)
    image[3:7, 3:7] = COLOURS[name]
    weak, strong = 1 - COLOUR_LIMIT, 1 + COLOUR_LIMIT
    for factors in np.stack(np.meshgrid([weak, strong], [weak, strong], [weak, strong]), -1).reshape(-1, 3):
        result = jitter_colours(image, *factors)[5, 5]
        assert nearest_name(result) == name
        if name not in ("black", "white", "grey"):
            hues = [colorsys.rgb_to_hsv(*(np.asarray(c) / 255))[0] for c in (COLOURS[name], result)]
            assert abs((hues[0] - hues[1] + 0.5) % 1 - 0.5) < 12 / 360


@pytest.mark.parametrize(
    "change", [{"flip": 1.1}, {"crop": -0.1}, {"brightness": 0.3}, {"saturation": -0.1}, {"crop_min": 0.0}]
)
def test_settings_that_would_break_the_words_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"augmentation.{next(iter(change))}: expected"):
        replace(Augmentation(), **change)
