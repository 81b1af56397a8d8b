"""Detectors of the hub find what their networks find when these are asked as their authors do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from image_core.hub.detectors import ClosedSetDetector, OpenVocabularyDetector, cache_first_call, read_detector
from image_core.hub.loading import Placement, repeat_short_side
from image_core.hub.sources import find_source
from tests.tiny_networks import WRITERS

PICTURE = np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)
PHRASES = ("white dog", "cat", "a person")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("grounding_dino", "{}."),
        ("mm_grounding_dino", "{}."),
        ("owlv2", "a photo of a {}"),
        ("owlvit", "a photo of a {}"),
    ],
)
def test_phrases_on_one_encoding_find_what_the_network_finds(kind: str, text: str, tmp_path: Path) -> None:
    detector = read_detector(find_source(str(WRITERS[kind](tmp_path))), Placement("cpu"))
    assert isinstance(detector, OpenVocabularyDetector)
    found = detector.detect(PICTURE, PHRASES, 0.0)
    assert [one.labels for one in found] == [
        (phrase,) * len(one.scores) for phrase, one in zip(PHRASES, found, strict=True)
    ]
    network: Any = detector.network
    for phrase, one in zip(PHRASES, found, strict=True):
        inputs = network.processor(
            images=PICTURE,
            text=text.format(phrase.removeprefix("a ") if "photo" in text else phrase),
            return_tensors="pt",
        )
        with torch.inference_mode():
            outputs = network.model(**inputs)
        scores = outputs.logits.sigmoid().amax(-1)[0].numpy()
        assert np.abs(one.scores[:, None] - scores).min(1).max() < 1e-5, "some boxes lie beyond the picture"
        assert len(one.scores) >= 5 and (np.diff(one.scores) <= 0).all()
        assert (one.boxes_xyxy >= 0).all() and (one.boxes_xyxy <= [80, 48, 80, 48]).all()


@pytest.mark.parametrize("kind", ["detr", "rt_detr", "d_fine"])
def test_classes_are_spelt_as_coco_spells_them(kind: str, tmp_path: Path) -> None:
    detector = read_detector(find_source(str(WRITERS[kind](tmp_path))), Placement("cpu"))
    assert isinstance(detector, ClosedSetDetector) and set(detector.names.values()) == {"n/a", "person", "dog", "tv"}
    found = detector.detect(PICTURE, 0.0)
    assert found.labels and set(found.labels) <= {"person", "dog", "tv"}, "what has no class is left out"
    assert len(found.labels) == len(found.scores) == len(found.boxes_xyxy)
    assert detector.detect(PICTURE, 1.0).boxes_xyxy.shape == (0, 4)


def test_the_backbone_runs_once_per_image(tmp_path: Path) -> None:
    detector = read_detector(find_source(str(WRITERS["grounding_dino"](tmp_path))), Placement("cpu"))
    assert isinstance(detector, OpenVocabularyDetector)
    seen = []
    detector.network.model.model.backbone.conv_encoder.register_forward_hook(lambda *_: seen.append(1))
    detector.detect(PICTURE, PHRASES, 0.0)
    assert len(seen) == 1
    detector.detect(PICTURE, PHRASES[:1], 0.0)
    assert len(seen) == 2, "nothing is kept from one picture to the next"


def test_a_cached_result_is_not_changed_by_callers() -> None:
    class Listing(torch.nn.Module):
        def forward(self, start: int) -> list[int]:
            return [start]

    module = Listing()
    with cache_first_call(module):
        module(1).append(7)
        assert module(2) == [1]
    assert module(2) == [2]


def test_boxes_of_a_repeated_strip_are_those_of_the_image(tmp_path: Path) -> None:
    thin = PICTURE[:1, :40].repeat(4, axis=1)  # 1 x 160
    shown, repeated = repeat_short_side(thin)
    assert shown.shape == (5, 160, 3) and repeated == (5, 1) and (shown == thin).all()
    assert repeat_short_side(PICTURE)[0].shape == PICTURE.shape and repeat_short_side(thin.transpose(1, 0, 2))[1] == (
        1,
        5,
    )
    detector = read_detector(find_source(str(WRITERS["owlv2"](tmp_path))), Placement("cpu"))
    assert isinstance(detector, OpenVocabularyDetector)
    (thick,), (plain,) = detector.detect(shown, ["dog"], 0.0), detector.detect(thin, ["dog"], 0.0)
    np.testing.assert_allclose(thick.boxes_xyxy / [1, 5, 1, 5], plain.boxes_xyxy)
