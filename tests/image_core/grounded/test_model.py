"""`Grounded` with scripted parts on a drawn street: which of its things each kind of expression means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from image_core.answer import MaskAnswer
from image_core.errors import ConfigError
from image_core.grounded.config import GroundedConfig
from image_core.grounded.model import Grounded, pairwise_likelihoods
from image_core.grounded.parts import Box, Detection
from image_core.mask_model import ask, describe, is_model, unseen_words

SIZE = (120, 240)
RED, BLUE, WHITE, BLACK, GREEN = (200, 20, 20), (20, 40, 200), (245, 245, 245), (10, 10, 10), (20, 140, 40)
HUSKY, CAMEL, GOLDFISH = "n02110185", "n02437312", "n01443537"


@dataclass(frozen=True)
class Drawn:
    """A rectangle of one colour; its name to the detector, and what the classifier says of it."""

    box: tuple[int, int, int, int]
    colour: tuple[int, int, int]
    label: str
    score: float = 0.9
    synset: str = ""


@dataclass
class Scripted:
    """All three parts, of a scene that they know by heart."""

    things: Sequence[Drawn]
    synsets: tuple[str, ...] = (HUSKY, CAMEL, GOLDFISH, "n00000000")
    asked: list[str] = field(default_factory=list)

    def picture(self) -> np.ndarray:
        image = np.full((*SIZE, 3), 128, np.uint8)
        for thing in self.things:
            x0, y0, x1, y1 = thing.box
            image[y0:y1, x0:x1] = thing.colour
        return image

    def detect(self, image: np.ndarray) -> list[Detection]:
        self.asked.append("detect")
        return [Detection(tuple(map(float, t.box)), t.score, t.label) for t in self.things]  # pyright: ignore

    def masks(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> list[tuple[np.ndarray, float]]:
        self.asked.append("masks")
        drawn = []
        for x0, y0, x1, y1 in np.round(boxes_xyxy).astype(int):
            mask = np.zeros(SIZE, bool)
            mask[y0:y1, x0:x1] = True
            drawn.append((mask, 0.9))
        return drawn

    def classify(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> np.ndarray:
        self.asked.append("classify")
        rows = np.zeros((len(boxes_xyxy), 4))
        rows[:, 3] = 1
        for row, box in zip(rows, boxes_xyxy, strict=True):
            name = next(t.synset for t in self.things if tuple(box) == t.box)
            if name:
                row[[self.synsets.index(name), 3]] = 0.8, 0.2
        return rows


STREET = {
    "small white dog": Drawn((10, 80, 30, 100), WHITE, "dog"),
    "big black dog": Drawn((60, 60, 100, 100), BLACK, "sheep", 0.8, HUSKY),
    "red car": Drawn((110, 50, 160, 90), RED, "car"),
    "blue car": Drawn((190, 50, 238, 90), BLUE, "car"),
    "man in red": Drawn((165, 20, 185, 90), RED, "person"),
    "man in green": Drawn((36, 20, 54, 90), GREEN, "person"),
    "camel": Drawn((100, 5, 150, 35), (180, 140, 90), "horse", 0.5, CAMEL),
}


def street() -> Scripted:
    return Scripted(list(STREET.values()))


def meant(answer: MaskAnswer) -> list[str]:
    """The names of the things in the mask of an answer."""
    mask = answer.mask(SIZE)
    inner = {name: mask[t.box[1] : t.box[3], t.box[0] : t.box[2]] for name, t in STREET.items()}
    return [name for name, inside in inner.items() if inside.mean() > 0.9]


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        # Nouns, by the detector, by the classifier, in other words.
        ("the camel", "camel"),
        ("a husky", "big black dog|small white dog"),
        ("the person in green", "man in green"),
        # Colours and tones.
        ("the white puppy", "small white dog"),
        ("black dog", "big black dog"),
        ("a red sedan", "red car"),
        ("the man in a red shirt", "man in red"),
        ("the dark dog", "big black dog"),
        # Superlatives, ordinals, places, sizes.
        ("the smallest dog", "small white dog"),
        ("the biggest dog", "big black dog"),
        ("a small dog", "small white dog"),
        ("dog on the left", "small white dog"),
        ("the rightmost car", "blue car"),
        ("second car from the left", "blue car"),
        ("the second dog from the left", "big black dog"),
        # Relations, with a landmark of its own colour.
        ("the car left of the man in red", "red car"),
        ("car to the right of the man", "blue car"),
        ("the person between the two cars", "man in red"),
        ("the man next to the blue car", "man in red"),
        ("a man holding a white dog", "man in green"),
        ("the dog in front of the camel", "small white dog|big black dog"),
        ("the thing above the red car", "camel|man in red|man in green"),
        # Negation.
        ("the man not in red", "man in green"),
        # Several.
        ("both dogs", "small white dog,big black dog"),
        ("all cars", "red car,blue car"),
        ("people", "man in red,man in green"),
        ("the two men", "man in red,man in green"),
        ("the dog and the camel", "big black dog,camel|small white dog,camel"),
        # Verbs and colours are no nouns.
        ("a white dog crossing", "small white dog"),
        # Nothing there, nothing that can be told, nothing said.
        ("the elephant", ""),
        ("a goldfish", ""),
        ("the rope", ""),
        ("", ""),
        ("верблюд", ""),
    ],
)
def test_what_each_kind_of_expression_means(expression: str, names: str) -> None:
    scene = street()
    answer = Grounded(scene, scene, scene).segment(scene.picture(), [expression])[0]
    allowed = [sorted(filter(None, option.split(","))) for option in names.split("|")]
    assert sorted(meant(answer)) in allowed, [(c.likelihood, c.box_xyxy) for c in answer.candidates]


def test_each_part_runs_once_and_expressions_do_not_affect_each_other() -> None:
    scene, expressions = street(), ["the camel", "both dogs", "the car left of the man in red", "the rope"]
    together = Grounded(scene, scene, scene).segment(scene.picture(), expressions)
    assert scene.asked == ["detect", "masks", "classify"]
    for expression, answer in zip(expressions, together, strict=True):
        alone = Grounded(scene, scene, scene).segment(scene.picture(), [expression])[0]
        assert [c.likelihood for c in alone.candidates] == [c.likelihood for c in answer.candidates]
        assert alone.presence == answer.presence


def test_the_answer_holds_all_candidates_the_likeliest_first() -> None:
    scene = street()
    answer = Grounded(scene, scene, scene).segment(scene.picture(), ["the red car"])[0]
    likelihoods = [candidate.likelihood for candidate in answer.candidates]
    assert len(likelihoods) == len(STREET) and likelihoods == sorted(likelihoods, reverse=True)
    assert answer.presence > 0.9 and likelihoods[0] > 0.5 > likelihoods[1]


def test_without_a_classifier_the_detector_decides() -> None:
    scene = street()
    model = Grounded(scene, scene)
    assert meant(model.segment(scene.picture(), ["the dog"])[0]) == ["small white dog"]
    assert model.unseen_words(["the camel", "the dog"]) == ["camel"]
    assert meant(model.segment(scene.picture(), ["the camel"])[0]) == []


def test_a_colour_that_is_not_there_lowers_the_presence() -> None:
    scene = street()
    red, purple = Grounded(scene, scene, scene).segment(scene.picture(), ["the red car", "the purple car"])
    assert purple.presence < 0.5 < red.presence


def test_a_crowd_does_not_hide_the_one_dog() -> None:
    crowd = [Drawn((x, 10, x + 12, 60), BLUE, "person", 0.9) for x in range(0, 220, 16)]
    scene = Scripted([*crowd, Drawn((100, 80, 140, 110), WHITE, "dog", 0.3)])
    answer = Grounded(scene, scene).segment(scene.picture(), ["the dog"])[0]
    assert len(answer.candidates) == GroundedConfig().most_boxes
    assert answer.candidates[0].box_xyxy == (100, 80, 140, 110)


def test_a_crowd_does_not_hide_the_one_in_red() -> None:
    crowd = [Drawn((x, 10, x + 12, 60), BLUE, "person", 0.9) for x in range(0, 220, 16)]
    scene = Scripted([*crowd, Drawn((100, 70, 140, 110), RED, "person", 0.3)])
    answer = Grounded(scene, scene).segment(scene.picture(), ["the man in a red shirt"])[0]
    assert len(answer.candidates) == GroundedConfig().most_boxes
    assert answer.candidates[0].box_xyxy == (100, 70, 140, 110) and answer.presence > 0.4


def test_a_colour_of_clothes_fills_less_than_one_of_its_own() -> None:
    """A fifth of both is red: enough for a shirt, not for a car."""
    boxes = [(10, 10, 40, 100), (60, 10, 120, 100)]
    scene = Scripted([Drawn(boxes[0], BLUE, "person"), Drawn(boxes[1], BLUE, "car")])
    image = scene.picture()
    image[10:28] = np.where((image[10:28] == BLUE).all(2, keepdims=True), RED, image[10:28])
    shirt, car = Grounded(scene, scene).segment(image, ["the man in a red shirt", "the red car"])
    assert shirt.presence > 0.99 > 0.96 > car.presence


def test_a_colour_of_a_detail_fills_very_little() -> None:
    scene = Scripted([Drawn((10, 10, 40, 100), BLUE, "person"), Drawn((60, 10, 120, 110), BLACK, "person")])
    image = scene.picture()
    image[10:14, 20:30] = RED
    hat, shirt, none = Grounded(scene, scene).segment(
        image, ["the man with a red hat", "the man in a red shirt", "the man with a green hat"]
    )
    assert hat.presence > 0.5 and hat.candidates[0].box_xyxy == (10, 10, 40, 100)
    assert shirt.presence < 0.5 and none.presence < 0.5


def test_a_classifier_that_is_sure_of_another_animal_overrules_the_detector() -> None:
    scene = Scripted([Drawn((50, 20, 150, 100), WHITE, "sheep", 0.95, HUSKY)])
    sheep, dog = Grounded(scene, scene, scene).segment(scene.picture(), ["the sheep", "the dog"])
    assert sheep.presence < 0.5 < dog.presence
    assert Grounded(scene, scene).segment(scene.picture(), ["the sheep"])[0].presence > 0.9


def test_a_person_whom_the_classifier_takes_for_a_dog_is_none() -> None:
    scene = Scripted([Drawn((50, 20, 150, 100), WHITE, "person", 0.95, HUSKY)])
    dog, person = Grounded(scene, scene, scene).segment(scene.picture(), ["the dog", "the person"])
    assert dog.presence < 0.5 < person.presence


def test_a_box_around_a_group_is_no_candidate() -> None:
    apart = [Drawn((x, 10, x + 30, 60), BLUE, "person", 0.9) for x in (10, 60, 110)]
    scene = Scripted([*apart, Drawn((5, 5, 150, 70), RED, "person", 0.6), Drawn((5, 5, 150, 80), RED, "bus", 0.5)])
    answers = Grounded(scene, scene).segment(scene.picture(), ["all people", "the bus"])
    assert [len(answer.candidates) for answer in answers] == [3, 4]  # of a bus the others might be one by a classifier
    assert [sum(c.likelihood >= 0.5 for c in answer.candidates) for answer in answers] == [3, 1]


def test_the_leftmost_is_the_leftmost_however_small() -> None:
    scene = Scripted([Drawn((10, 10, 20, 20), BLUE, "dog", 0.8), Drawn((60, 10, 200, 110), RED, "dog")])
    leftmost, dog = Grounded(scene, scene).segment(scene.picture(), ["the leftmost dog", "the dog"])
    assert leftmost.candidates[0].box_xyxy == (10, 10, 20, 20)
    assert dog.candidates[0].box_xyxy == (60, 10, 200, 110)


def test_two_boxes_of_one_object_are_one_candidate_with_both_names() -> None:
    scene = Scripted([Drawn((50, 20, 150, 100), WHITE, "sheep"), Drawn((51, 20, 150, 100), WHITE, "dog", 0.6)])
    answers = Grounded(scene, scene).segment(scene.picture(), ["the dog", "the sheep", "two dogs"])
    assert [len(answer.candidates) for answer in answers] == [1, 1, 1]
    assert all(answer.presence > 0.5 and answer.candidates[0].likelihood > 0.5 for answer in answers)


def test_labels_of_other_detectors_count_by_their_name() -> None:
    scene = Scripted([Drawn((50, 20, 150, 100), WHITE, "rope")])
    assert Grounded(scene, scene).segment(scene.picture(), ["the ropes"])[0].presence > 0.5


@dataclass
class Asked(Scripted):
    """A detector that is asked with words: a thing is found where all words of its name are in the phrase."""

    def detect_phrases(self, image: np.ndarray, phrases: Sequence[str]) -> list[list[Detection]]:
        found = super().detect(image)
        self.asked[-1:] = phrases
        named = {thing.label: set(thing.label.split()) for thing in self.things}
        return [[replace(d, label=p) for d in found if named[d.label] <= set(p.split())] for p in phrases]


def workshop() -> Asked:
    boxes = [(10, 20, 60, 60), (90, 20, 140, 60), (150, 70, 190, 110)]
    return Asked(
        [Drawn(box, *what) for box, what in zip(boxes, [(BLUE, "vise"), (RED, "vise"), (RED, "anvil")], strict=True)]
    )


def test_an_open_vocabulary_detector_knows_every_noun() -> None:
    scene = workshop()
    expressions = ["the red vise", "the vise next to the anvil", "the anvil", "the lathe"]
    model = Grounded(scene, scene)
    answers = model.segment(scene.picture(), expressions)
    assert scene.asked == ["red vise", "vise", "anvil", "lathe", "masks"]
    assert [a.candidates[0].box_xyxy if a.candidates else None for a in answers] == [
        (90, 20, 140, 60),
        (90, 20, 140, 60),
        (150, 70, 190, 110),
        None,
    ]
    assert [a.presence > 0.5 for a in answers] == [True, True, True, False]
    assert model.unseen_words(expressions) == []
    for expression, answer in zip(expressions, answers, strict=True):
        alone = model.segment(scene.picture(), [expression])[0]
        assert [(c.likelihood, c.box_xyxy) for c in alone.candidates] == [
            (c.likelihood, c.box_xyxy) for c in answer.candidates
        ]


def test_a_scorer_separates_candidates_that_nothing_else_does() -> None:
    class LikesTheSecond:
        def scores(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
            assert texts == ["a photo of car with dented door"] and len(images) == 2
            return np.array([[0.0], [4.0]])

    scene = Scripted([STREET["red car"], STREET["blue car"]])
    answer = Grounded(scene, scene, scorer=LikesTheSecond()).segment(scene.picture(), ["the car with a dented door"])[0]
    assert answer.candidates[0].box_xyxy == STREET["blue car"].box


def test_an_empty_scene_has_no_candidates() -> None:
    scene = Scripted([])
    answer = Grounded(scene, scene, scene).segment(scene.picture(), ["the dog"])[0]
    assert answer.candidates == () and answer.presence == 0 and scene.asked == ["detect"]


def test_a_property_that_nothing_can_judge_is_reported_once() -> None:
    scene = street()
    model = Grounded(scene, scene, scene)
    assert unseen_words(model, ["the rope", "a black rope", "the dog", "the tall one"]) == ["rope"]


def test_it_is_a_mask_model() -> None:
    scene = street()
    model = Grounded(scene, scene, scene)
    assert is_model(model) and describe(model).adapter == "grounded"
    assert len(ask(model, scene.picture(), ["the dog", "a car"])) == 2 and model.segment(scene.picture(), []) == []


def test_a_masker_that_does_not_keep_its_promise_is_named() -> None:
    class Short(Scripted):
        def masks(self, image: np.ndarray, boxes_xyxy: Sequence[Box]) -> list[tuple[np.ndarray, float]]:
            return super().masks(image, boxes_xyxy)[:-1]

    scene = Short(list(STREET.values()))
    with pytest.raises(ValueError, match=r"Masker\.masks: expected 7 masks, one a box, got 6"):
        Grounded(scene, scene).segment(scene.picture(), ["the dog"])


def test_numbers_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"GroundedConfig\.same_mask"):
        GroundedConfig(same_mask=2)
    with pytest.raises(ConfigError, match=r"GroundedConfig\.most_boxes: expected 1 or more, got 0"):
        GroundedConfig(most_boxes=0)


def test_the_first_of_equal_scores_is_chosen() -> None:
    assert (pairwise_likelihoods(np.array([0.4, 0.4, 0.2])) >= 0.5).tolist() == [True, False, False]
    assert pairwise_likelihoods(np.array([0.0, 0.0])).tolist() == [0.0, 0.0]
