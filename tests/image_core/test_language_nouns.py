"""What nouns mean, by a table made by hand: against it the table made from WordNet is held."""

from __future__ import annotations

from pathlib import Path

import pytest

import image_core.language
from image_core.language.nouns import UNKNOWN, meaning_of
from image_core.language.plurals import is_plural, singular_of

PEOPLE = """
person people man men woman women girl boy lady ladies guy child children baby ballerina dancer rider cyclist
skateboarder surfer player jockey policeman firemen tourist pedestrian crowd everyone adult
"""
COCO = {
    "dog": "dog puppy puppies pup terrier poodle dalmatian husky",
    "cat": "cat kitten kittens kitty tabby siamese-cat",
    "horse": "horse pony stallion foal mare",
    "cow": "cow cattle bull ox calf calves heifer",
    "sheep": "sheep lamb ram",
    "bird": "bird duck swan eagle owl parrot penguin flamingo geese hen",
    "bear": "bear polar_bear brown_bear",
    "car": "car cars sedan taxi limousine convertible suv jeep automobile minivan ambulance",
    "truck": "truck lorry pickup fire_truck",
    "bus": "bus buses minibus",
    "motorcycle": "motorcycle motorbike scooter moped",
    "bicycle": "bicycle mountain_bike bmx",
    "boat": "boat canoe kayak sailboat yacht ship gondola speedboat",
    "airplane": "airplane plane jet airliner",
    "train": "train trains locomotive",
    "cell phone": "phone telephone cellphone cell_phone smartphone",
    "tv": "tv television screen",
    "couch": "couch sofa",
    "dining table": "table dining_table desk",
    "chair": "chair armchair rocking_chair",
    "refrigerator": "fridge refrigerator",
    "wine glass": "glass wineglass",
    "hot dog": "hotdog hot-dog",
    "sports ball": "ball football basketball",
    "tennis racket": "racket racquet tennis_racket",
    "potted plant": "plant houseplant",
    "tie": "tie necktie",
    "surfboard": "surfboard surf-board",
    "skateboard": "skateboard",
    "knife": "knife knives",
    "teddy bear": "teddy_bear",
}
"""Class -> nouns that it must be among the classes of."""
IMAGENET = {
    "camel": "n02437312",
    "goldfish": "n01443537",
    "pig": "n02395406",
    "piglet": "n02395406",
    "zebra": "n02391049",
    "monkey": "n02487347",
    "turtle": "n01665541",
    "tiger": "n02129604",
    "rabbit": "n02325366",
    "guitar": "n02676566",
    "violin": "n04536866",
    "crane": "n02012849",
    "mouse": "n03793489",
    "helmet": "n03929855",
    "rifle": "n04090263",
    "parachute": "n03888257",
    "canoe": "n02951358",
    "ladybug": "n02165456",
}
BOTH_SENSES = {"bike": {"bicycle", "motorcycle"}, "kite": {"kite", "bird"}, "bag": {"backpack", "handbag", "suitcase"}}
NO_NOUNS = "white black red blue crossing walking running dancing moving twirling sitting"
NOTHING_FITS = "hand hair leg sky water ground road tree rope object thing tricks xyzzy"


@pytest.mark.parametrize("noun", PEOPLE.split())
def test_people_go_to_the_detector_alone(noun: str) -> None:
    meaning = meaning_of(noun)
    assert meaning.coco == {"person"} and not meaning.synsets and meaning.is_person and meaning.has_classes


@pytest.mark.parametrize(("name", "noun"), [(name, noun) for name, nouns in COCO.items() for noun in nouns.split()])
def test_nouns_of_coco(name: str, noun: str) -> None:
    assert name in meaning_of(noun).coco and not meaning_of(noun).is_person


@pytest.mark.parametrize(("noun", "synset"), IMAGENET.items())
def test_nouns_of_imagenet(noun: str, synset: str) -> None:
    assert synset in meaning_of(noun).synsets


@pytest.mark.parametrize(("noun", "names"), BOTH_SENSES.items())
def test_words_of_two_senses_keep_both(noun: str, names: set[str]) -> None:
    assert meaning_of(noun).coco == names


@pytest.mark.parametrize("noun", [*NO_NOUNS.split(), *NOTHING_FITS.split(), ""])
def test_what_is_no_noun_or_no_class_is_unknown(noun: str) -> None:
    assert meaning_of(noun) == UNKNOWN and not UNKNOWN.has_classes and not UNKNOWN.is_person


def test_wider_nouns_hold_the_narrower() -> None:
    animal, dog = meaning_of("animal"), meaning_of("dog")
    assert dog.coco < animal.coco and dog.synsets < animal.synsets and "person" not in animal.coco
    assert {"car", "bus", "boat"} < meaning_of("vehicle").coco
    assert "whale" not in PEOPLE and not meaning_of("whale").is_person


def test_the_spelling_does_not_matter() -> None:
    assert meaning_of("Polar-Bears") == meaning_of("polar bear") != meaning_of("bear")


@pytest.mark.parametrize(
    ("noun", "singular"),
    [
        *(("dogs", "dog"), ("buses", "bus"), ("boxes", "box"), ("ladies", "lady"), ("men", "man"), ("mice", "mouse")),
        *(("policemen", "policeman"), ("cell phones", "cell phone"), ("knives", "knife"), ("people", "person")),
        *(("glass", "glass"), ("glasses", "glasses"), ("bus", "bus"), ("sheep", "sheep"), ("dress", "dress")),
    ],
)
def test_plurals(noun: str, singular: str) -> None:
    assert singular_of(noun) == singular and is_plural(noun) == (noun != singular)


def test_the_table_is_small_and_carries_its_licence() -> None:
    path = Path(image_core.language.__file__).with_name("nouns.tsv")
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 1_000_000
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in text and "THIS SOFTWARE AND DATABASE" in text
