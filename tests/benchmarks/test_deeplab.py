"""DeepLab as a detector, which one ablation of `real_video` asks: names, regions and boxes, and the released maps."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from benchmarks.accuracy import deeplab, real_video
from image_core.errors import CheckpointError
from image_core.grounded.ssdlite import COCO_IDS

PERSON, DOG, TV = (1 + deeplab.NAMES.index(name) for name in ("person", "dog", "tv"))
CLASSES = len(deeplab.NAMES) + 1


def drawn_map(height: int, width: int) -> np.ndarray:
    """(21, height, width) of background alone."""
    probabilities = np.zeros((CLASSES, height, width), np.float32)
    probabilities[0] = 1
    return probabilities


def fill(probabilities: np.ndarray, rows: slice, columns: slice, shares: dict[int, float]) -> None:
    """Give a rectangle to classes; what is left is background."""
    probabilities[:, rows, columns] = 0
    for number, share in {**shares, 0: 1 - sum(shares.values())}.items():
        probabilities[number, rows, columns] = share


def test_vocs_names_are_spelt_as_cocos() -> None:
    assert len(set(deeplab.NAMES)) == 20 and set(deeplab.NAMES) <= set(COCO_IDS)
    assert [deeplab.NAMES[i - 1] for i in (1, 11, 15, 18, 20)] == ["airplane", "dining table", "person", "couch", "tv"]


def test_each_connected_region_of_a_class_is_a_box_in_pixels_of_the_image() -> None:
    probabilities = drawn_map(50, 100)
    fill(probabilities, slice(10, 20), slice(0, 10), {DOG: 0.9})
    fill(probabilities, slice(20, 30), slice(10, 20), {DOG: 0.7})  # touches it at a corner
    fill(probabilities, slice(40, 50), slice(90, 100), {DOG: 0.6})
    things = deeplab.detections_of(probabilities, (100, 400))
    assert [(one.label, one.box_xyxy) for one in things] == [
        ("dog", (0, 20, 80, 60)),
        ("dog", (360, 80, 400, 100)),
    ]
    assert np.allclose([one.score for one in things], [0.8, 0.6]) and all(not one.others for one in things)


def test_a_box_has_the_names_that_are_likely_within_it() -> None:
    probabilities = drawn_map(50, 100)
    fill(probabilities, slice(0, 10), slice(0, 20), {PERSON: 0.5, DOG: 0.25, TV: 0.02})
    fill(probabilities, slice(0, 10), slice(20, 30), {DOG: 0.75, PERSON: 0.2})  # beside it, of another class
    dog, person = deeplab.detections_of(probabilities, (50, 100))
    assert (dog.label, dog.box_xyxy, person.label, person.box_xyxy) == (
        "dog",
        (20, 0, 30, 10),
        "person",
        (0, 0, 20, 10),
    )
    assert dog.others == pytest.approx({"person": 0.2}) and person.others == pytest.approx({"dog": 0.25})


def test_small_regions_and_the_background_are_no_detections() -> None:
    probabilities = drawn_map(50, 100)
    fill(probabilities, slice(0, 2), slice(0, 5), {DOG: 0.9})  # 0.2 % of the picture
    assert deeplab.detections_of(probabilities, (50, 100)) == []
    fill(probabilities, slice(0, 1), slice(5, 6), {DOG: 0.9})
    assert [one.box_xyxy for one in deeplab.detections_of(probabilities, (50, 100))] == [(0, 0, 6, 2)]


def test_the_ablation_is_left_out_with_a_message_without_its_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RVOS_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"got: model\.json is missing"):
        deeplab.local_copy()
    name = "DeepLab instead of SSDLite"
    monkeypatch.setattr(real_video, "ABLATIONS", {name: real_video.ABLATIONS[name]})
    model: Any = SimpleNamespace(masker=None, classifier=None)
    assert real_video.ablated(cast(Any, model), []) == {}
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{name}: left out: ") and line.endswith("run `python -m benchmarks.accuracy.deeplab`")


@pytest.mark.weights
@pytest.mark.shared
@pytest.mark.parametrize("clip", ["dog", "car-shadow", "dance-twirl"])
def test_maps_are_those_of_the_release(shared_dir: Path, clip: str) -> None:
    try:
        model_json = deeplab.local_copy()
    except CheckpointError as error:
        pytest.skip(str(error))
    wanted = json.loads((shared_dir / "parity/real_weights/values.json").read_text())[clip]["deeplab_voc"]
    image = np.asarray(Image.open(min((shared_dir / "clips/masked" / clip / "frames").iterdir())).convert("RGB"))
    likeliest = deeplab.DeepLabDetector(model_json, device="cpu").probabilities(image).argmax(0)
    counts = np.bincount(likeliest.ravel(), minlength=CLASSES)
    assert list(likeliest.shape) == wanted["map_size"]
    told = {name: int(count) for name, count in zip(("background", *deeplab.NAMES), counts, strict=True) if count}
    assert told.keys() == wanted["pixels"].keys()
    assert all(abs(count - wanted["pixels"][name]) <= 20 for name, count in told.items())
