"""The packaged networks agree with the figures that were taken when they were chosen (`values.json`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from image_core.geometry.masks import overlap
from image_core.grounded.classifier import EfficientNetLite2
from image_core.grounded.sam import MobileSam
from image_core.grounded.ssdlite import SSDLiteDetector
from tests.image_core.grounded.conftest import Reference

pytestmark = [pytest.mark.weights, pytest.mark.shared]


def test_ssdlite(photo: Path, reference: Reference) -> None:
    detections = SSDLiteDetector(photo / "ssdlite/model.json", most_squares=0, device="cpu").detect(reference.image)
    wanted = reference.values["coco_ssd"]
    assert [one.label for one in detections] == [label for label, _, _ in wanted]
    assert np.allclose([one.score for one in detections], [score for _, score, _ in wanted], rtol=0, atol=1e-3)
    assert np.allclose([one.box_xyxy for one in detections], [box for _, _, box in wanted], rtol=0, atol=1)


def test_mobile_sam(photo: Path, reference: Reference) -> None:
    sam = MobileSam(photo / "mobile_sam/encoder.onnx", photo / "mobile_sam/decoder.onnx")
    (mask, quality), (again, _) = sam.masks(reference.image, [reference.box_xyxy] * 2)
    wanted = reference.values["mobile_sam"]
    intersection, union = overlap(mask, reference.mask)
    assert abs(int(mask.sum()) - wanted["box_prompt_mask_px"]) <= 20
    assert abs(quality - wanted["predicted_iou"]) < 1e-3
    assert abs(intersection / union - wanted["IoU_with_truth"]) < 1e-3
    assert (mask == again).all()


def test_efficientnet(photo: Path, reference: Reference) -> None:
    classifier = EfficientNetLite2(photo / "efficientnet_lite2/weights.pth", device="cpu")
    (probabilities,) = classifier.classify(reference.image, [reference.box_xyxy])
    for synset, index, probability in reference.values["efficientnet_lite2_on_true_box_crop"]:
        assert classifier.synsets[index] == synset
        assert abs(probabilities[index] - probability) < 1e-3
    assert abs(probabilities.sum() - 1) < 1e-5
