"""The packaged networks agree with the figures that were taken when they were chosen (`values.json`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from image_core.geometry.masks import overlap
from image_core.grounded.classifier import EfficientNetLite2
from image_core.grounded.sam import MobileSam
from image_core.grounded.sam_decoder import read_decoder
from image_core.grounded.ssdlite import SSDLiteDetector
from image_core.grounded.tiny_vit import read_encoder
from tests.image_core.grounded.conftest import Reference

pytestmark = [pytest.mark.weights, pytest.mark.shared]


def test_ssdlite(photo: Path, reference: Reference) -> None:
    detections = SSDLiteDetector(photo / "ssdlite/model.json", max_squares=0, device="cpu").detect(reference.image)
    wanted = reference.values["coco_ssd"]
    assert [one.label for one in detections] == [label for label, _, _ in wanted]
    assert np.allclose([one.score for one in detections], [score for _, score, _ in wanted], rtol=0, atol=1e-3)
    assert np.allclose([one.box_xyxy for one in detections], [box for _, _, box in wanted], rtol=0, atol=1)


def test_mobile_sam(photo: Path, reference: Reference) -> None:
    sam = MobileSam(photo / "mobile_sam/encoder.onnx", photo / "mobile_sam/decoder.onnx", pads=True, device="cpu")
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


@torch.inference_mode()
def test_mobile_sams_parts_are_those_of_the_release(photo: Path) -> None:
    """On noise: what onnxruntime makes of both files, and what the torch modules do that are filled from them."""
    encoder, decoder = photo / "mobile_sam/encoder.onnx", photo / "mobile_sam/decoder.onnx"
    pixels = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(0))
    embedding = np.asarray(onnxruntime.InferenceSession(encoder).run(["output"], {"input": pixels.numpy()})[0])
    assert np.allclose(read_encoder(encoder).eval()(pixels), embedding, atol=1e-3)
    corners = np.array([[[100, 50], [600, 400]]], np.float32)
    feed = {
        "image_embeddings": embedding,
        "point_coords": corners,
        "point_labels": np.array([[2, 3]], np.float32),
        "mask_input": np.zeros((1, 1, 256, 256), np.float32),
        "has_mask_input": np.zeros(1, np.float32),
        "orig_im_size": np.array([1024, 1024], np.float32),
    }
    outputs = onnxruntime.InferenceSession(decoder).run(["low_res_masks", "iou_predictions"], feed)
    mask, overlap = (np.asarray(output)[0] for output in outputs)
    boxes = (torch.from_numpy(corners).view(1, 4) + 0.5) / 16
    network = read_decoder(decoder).eval()
    ours = network(network.cells_of(torch.from_numpy(embedding), torch.zeros(1, 256, 32, 32)), boxes)
    assert np.allclose(ours[0], mask, atol=1e-3) and np.allclose(ours[1], overlap, atol=1e-4)
