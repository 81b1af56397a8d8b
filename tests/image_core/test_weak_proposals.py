"""Proposals: regions of colour, boxes of a file, detectors in their real file formats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from image_core.errors import ConfigError, DataError, RvosError
from image_core.geometry.boxes import box_iou_matrix
from image_core.synthetic.dataset import SyntheticImages
from image_core.weak.proposals.colour_regions import ColourRegions
from image_core.weak.proposals.detector import Detector, nouns_of
from image_core.weak.proposals.proposer import BoxesFile, build_proposer
from image_core.weak.proposals.suppression import keep_best
from tests.tiny_networks import WRITERS

WHITE = np.full((40, 60, 3), 255, np.uint8)


def test_suppression_keeps_the_better_of_two_alike() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [5, 0, 15, 10]], float)
    scores = np.array([0.5, 0.9, 0.7, 0.6])
    assert keep_best(boxes, scores, 0.5, 10).tolist() == [1, 2, 3]
    assert keep_best(boxes, scores, 0.95, 10).tolist() == [1, 2, 3, 0]
    assert keep_best(boxes, scores, 0.95, 1).tolist() == [1]
    assert keep_best(np.zeros((0, 4)), np.zeros(0), 0.5, 3).tolist() == []


def test_colour_regions_find_plain_and_striped_rectangles() -> None:
    picture = np.full((96, 96, 3), (90, 150, 90), np.uint8)
    picture[10:30, 12:40] = (200, 20, 20)
    picture[50:80, 50:84] = (20, 20, 220)
    picture[50:80, 50:84:8] = picture[50:80, 51:84:8] = picture[50:80, 52:84:8] = (245, 245, 245)
    found = ColourRegions().propose(picture)
    wanted = np.array([[12, 10, 40, 30], [50, 50, 84, 80]], float)
    assert (box_iou_matrix(wanted, found).max(1) > 0.8).all()


def test_colour_regions_find_most_objects_of_synthetic_images() -> None:
    data = SyntheticImages("train", 11, (128, 128), 1)
    hits, proposer = [], ColourRegions()
    for index in range(12):
        drawn = data.draw(index)
        found = proposer.propose(drawn.image)
        for mask in drawn.visible[drawn.visible.any((1, 2))]:
            rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
            box = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], float)
            hits.append(box_iou_matrix(box, found).max() >= 0.5)
        assert len(found) <= 20
        assert (found == proposer.propose(drawn.image)).all()
    # 0.92 on a hundred pictures.
    assert np.mean(hits) > 0.8


def test_a_plain_image_has_no_regions() -> None:
    assert ColourRegions().propose(WHITE).shape == (0, 4)


def test_boxes_file_cuts_sorts_and_drops(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    rows = [[0, 0, 5, 5, 0.1], [-4, 2, 70, 20, 0.9], [100, 100, 110, 110, 0.5]]
    path.write_text(json.dumps({"a": rows, "b": [], "c": [[1, 2, 3, 4], [0, 0, 9, 9]]}))
    boxes = build_proposer(f"boxes:{path}")
    assert boxes.propose(WHITE, "a").tolist() == [[0, 2, 60, 20], [0, 0, 5, 5]]
    assert boxes.propose(WHITE, "b").shape == (0, 4)
    assert boxes.propose(WHITE, "c").tolist() == [[1, 2, 3, 4], [0, 0, 9, 9]]
    with pytest.raises(DataError, match="expected a sample 'd', got none"):
        boxes.propose(WHITE, "d")


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[1, 2]",
        '{"a": 3}',
        '{"a": [[1, 2, 3]]}',
        '{"a": [[5, 0, 1, 4]]}',
        '{"a": [[0, 0, 1, NaN]]}',
        '{"a": [[0, 0, 1, 1], [0, 0, 1, 1, 0.5]]}',
        '{"a": [["0", 0, 1, 1]]}',
    ],
)
def test_faults_of_a_boxes_file_are_reported_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        BoxesFile(path)
    assert "\n" not in str(caught.value) and "boxes.json" in str(caught.value)


def test_a_boxes_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        build_proposer(f"boxes:{tmp_path / 'none.json'}")


def test_a_boxes_file_of_another_set(tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text(json.dumps({"COCO_1.jpg": [], "COCO_2.jpg": []}))
    boxes = BoxesFile(tmp_path / "boxes.json")
    boxes.check(["1", "COCO_2.jpg"])  # one of them is enough
    with pytest.raises(DataError, match=r"expected samples of the data, such as '1', got such as 'COCO_1.jpg'"):
        boxes.check(["1", "2"])


def test_the_nouns_of_expressions() -> None:
    said = ["the man left of the dog", "red car", "the man in red", "far left"]
    assert nouns_of(said) == ("man", "dog", "car")


def test_an_image_of_fewer_pixels_than_colours_has_no_regions() -> None:
    for side in (1, 4, 6, 7):
        assert ColourRegions().propose(WHITE[:side, :side]).shape == (0, 4)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of tiny detectors with random weights."""
    root = tmp_path_factory.mktemp("networks")
    return {kind: WRITERS[kind](root / kind) for kind in ("detr", "owlv2", "grounding_dino")}


@pytest.mark.parametrize("family", ["detr", "owlv2", "grounding_dino"])
def test_detectors_give_boxes_within_the_image(family: str, networks: dict[str, Path]) -> None:
    folder = networks[family]
    picture = np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)
    # Random weights are sure of nothing: the threshold goes down until all queries pass.
    said = ("the dog left of the cat",)
    detector = Detector(str(folder), score=0.0, overlap=0.99, max_boxes=5, device="cpu")
    assert detector.is_open_vocabulary == (family != "detr")
    boxes = detector.propose(picture, "any", said)
    assert boxes.dtype == np.float64 and boxes.shape[1] == 4 and 1 <= len(boxes) <= 5
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= [80, 48]).all() and (boxes[:, :2] < boxes[:, 2:]).all()
    assert (boxes == detector.propose(picture, "any", said)).all()
    strict = Detector(str(folder), score=1.1, device="cpu")
    assert strict.propose(picture, "any", said).shape == (0, 4)
    assert len(detector.propose(picture, "any", ("far left",))) == (len(boxes) if family == "detr" else 0)


@pytest.mark.parametrize("family", ["owlv2", "grounding_dino"])
def test_what_a_detector_finds_depends_on_the_nouns(family: str, networks: dict[str, Path]) -> None:
    detector = Detector(str(networks[family]), score=0.0, overlap=1.0, max_boxes=50, device="cpu")
    picture = np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)
    said = ("a dog", "the small zebra", "dog at the left")
    dog, zebra, dogs = (detector.propose(picture, "", (text,)) for text in said)
    assert dog.tolist() == dogs.tolist() != zebra.tolist()


def test_an_empty_folder_is_no_detector(tmp_path: Path) -> None:
    with pytest.raises(RvosError, match="complete the folder") as caught:
        build_proposer(str(tmp_path), device="cpu")
    assert "\n" not in str(caught.value)


def test_without_network_a_hub_name_gives_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RvosError, match="connect to the network") as caught:
        build_proposer("someone/no-such-detector", device="cpu")
    assert "\n" not in str(caught.value)


def test_a_network_that_is_no_detector(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a detector, got a model of type clip"):
        build_proposer(str(WRITERS["clip"](tmp_path)), device="cpu")
