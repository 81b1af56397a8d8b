"""SSDLite: a narrow one in the released format, what it says of a picture, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from image_core.errors import CheckpointError
from image_core.geometry.boxes import box_iou_matrix
from image_core.grounded.ssdlite import COCO_IDS, SSDLiteDetector, windows
from tests.image_core.grounded.tfjs_files import HEADS, narrow_ssdlite, write_model

RANDOM = np.random.default_rng(0)


def test_coco_has_80_names_at_their_ids() -> None:
    assert len(COCO_IDS) == 90 and len(set(COCO_IDS) - {"N/A"}) == 80
    assert (COCO_IDS[0], COCO_IDS[17], COCO_IDS[89]) == ("person", "dog", "toothbrush")


def test_an_anchor_that_speaks_for_a_class_is_the_detection(tmp_path: Path) -> None:
    """Networks without kernels say what their biases say: every box its anchor, every class unlikely but one."""
    weights = narrow_ssdlite()
    for name in weights:
        if any(f"{head}/" in name for head, _ in HEADS):
            weights[name] = np.full_like(weights[name], -9 if name.endswith("ClassPredictor/biases") else 0)
    biases = weights["BoxPredictor_5/ClassPredictor/biases"].reshape(6, 91)
    biases[2, 18], biases[4, 3], biases[4, 12] = 2.0, 1.0, 9.0  # a dog; a car, which is more of a class without name
    anchors = weights["Postprocessor/ExpandDims"]
    anchors[0, -4], anchors[0, -2] = (0.25, 0.5, 0.75, 1.2), (0, 0, 0.5, 0.25)
    detections = SSDLiteDetector(write_model(tmp_path, weights), device="cpu").detect(np.zeros((80, 80, 3), np.uint8))
    assert [(one.label, one.box_xyxy) for one in detections] == [("dog", (40, 20, 80, 60)), ("car", (0, 0, 20, 40))]
    assert np.allclose([one.score for one in detections], [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-1))])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((50, 50), [(0, 0, 50, 50)]),
        ((50, 60), [(0, 0, 60, 50), (0, 0, 50, 50), (10, 0, 60, 50)]),
        ((480, 854), [(0, 0, 854, 480), (0, 0, 480, 480), (187, 0, 667, 480), (374, 0, 854, 480)]),
        ((110, 50), [(0, 0, 50, 110), (0, 0, 50, 50), (0, 30, 50, 80), (0, 60, 50, 110)]),
    ],
)
def test_windows_cover_the_image(size: tuple[int, int], expected: list[tuple[int, int, int, int]]) -> None:
    assert windows(*size, max_squares=6) == expected
    assert len(windows(9, 10_000, max_squares=6)) == 7


def test_what_a_window_cuts_is_left_out_and_names_are_gathered(tmp_path: Path) -> None:
    """The network says the same of every window: a dog or cat that reaches its right edge, a car in its middle."""
    weights = narrow_ssdlite()
    for name in weights:
        if any(f"{head}/" in name for head, _ in HEADS):
            weights[name] = np.full_like(weights[name], -9 if name.endswith("ClassPredictor/biases") else 0)
    biases = weights["BoxPredictor_5/ClassPredictor/biases"].reshape(6, 91)
    biases[2, [18, 17]], biases[3, 17], biases[4, 3] = (2.0, -2.0), 1.0, 3.0
    anchors = weights["Postprocessor/ExpandDims"]
    anchors[0, -4:-1] = (0.25, 0.5, 0.75, 1.0), (0.25, 0.55, 0.75, 1.0), (0.4, 0.4, 0.6, 0.6)
    detections = SSDLiteDetector(write_model(tmp_path, weights), device="cpu").detect(np.zeros((100, 150, 3), np.uint8))
    boxes = {(one.label, tuple(np.round(one.box_xyxy).tolist())) for one in detections}
    assert boxes == {
        *{("dog", (75, 25, 150, 75)), ("car", (60, 40, 90, 60))},  # of the whole picture
        *{("car", (40, 40, 60, 60)), ("car", (90, 40, 110, 60))},  # of the two squares; of the first, its dog is cut
    }
    dog = next(one for one in detections if one.label == "dog")
    assert dog.others == pytest.approx({"cat": 1 / (1 + np.exp(-1))})  # of the box that gave way, more than of its own


def test_box_codes_move_and_stretch_the_anchor(tmp_path: Path) -> None:
    weights = narrow_ssdlite()
    for name in weights:
        if any(f"{head}/" in name for head, _ in HEADS):
            weights[name] = np.full_like(weights[name], -9 if name.endswith("ClassPredictor/biases") else 0)
    weights["BoxPredictor_5/ClassPredictor/biases"].reshape(6, 91)[0, 1] = 9
    # Half a height down, a quarter of a width left; as high as it was, half as wide.
    weights["BoxPredictor_5/BoxEncodingPredictor/biases"][:4] = (5, -2.5, 0, 5 * np.log(0.5))
    weights["Postprocessor/ExpandDims"][0, -6] = (0.25, 0.25, 0.5, 0.75)
    (one,) = SSDLiteDetector(write_model(tmp_path, weights), device="cpu").detect(np.zeros((100, 100, 3), np.uint8))
    assert np.allclose(one.box_xyxy, (25, 37.5, 50, 62.5), atol=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (37, 53), (300, 300), (4, 900)])
def test_boxes_lie_inside_the_best_first_and_apart(tmp_path: Path, size: tuple[int, int]) -> None:
    detector = SSDLiteDetector(write_model(tmp_path, narrow_ssdlite()), score=0.0, max_boxes=20, device="cpu")
    image = RANDOM.integers(0, 256, (*size, 3), np.uint8)
    detections = detector.detect(image)
    boxes = np.array([one.box_xyxy for one in detections])
    scores = [one.score for one in detections]
    assert 0 < len(detections) <= 20 and detections == detector.detect(image)
    assert scores == sorted(scores, reverse=True) and scores[-1] >= 0 and scores[0] <= 1
    assert (boxes[:, :2] < boxes[:, 2:]).all() and (boxes >= 0).all() and (boxes[:, 2:] <= size[::-1]).all()
    assert (box_iou_matrix(boxes, boxes) - np.eye(len(boxes)) <= 0.5 + 1e-6).all()
    assert {one.label for one in detections} <= set(COCO_IDS) - {"N/A"}


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("FeatureExtractor/MobilenetV2/Conv_1/Conv2D/merged_input", None, "backbone.last"),
        ("FeatureExtractor/MobilenetV2/expanded_conv_17/expand/weights", np.ones((1, 1, 8, 8)), "blocks.17.expand"),
        ("Postprocessor/ExpandDims", None, "missing"),
        ("Postprocessor/ExpandDims", np.zeros((1, 5, 4)), "of another shape"),
        ("BoxPredictor_6/ClassPredictor/gain", np.zeros(3), "BoxPredictor_6/ClassPredictor/gain"),
    ],
)
def test_other_networks_are_refused(tmp_path: Path, name: str, values: np.ndarray | None, message: str) -> None:
    weights = narrow_ssdlite()
    weights.pop(name, None)
    if values is not None:
        weights[name] = values.astype(np.float32)
    with pytest.raises(CheckpointError, match=message):
        SSDLiteDetector(write_model(tmp_path, weights), device="cpu")


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="expected SSDLite on MobileNetV2"):
        SSDLiteDetector(write_model(tmp_path, {"Preprocessor/sub/y": np.ones(1, np.float32)}), device="cpu")
