"""What adapters and maskers give is what their networks give when these are asked as their authors do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from image_core.adapters import sam3
from image_core.grounded.hub_maskers import read_masker
from image_core.hub.loading import Placement
from image_core.hub.sources import find_source
from image_core.mask_model import ask, resolve_model
from tests.tiny_networks import WRITERS

PICTURE = np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)
EXPRESSIONS = ("the dog", "a red cat on the right")
BOXES = [(4.0, 5.0, 40.0, 40.0), (30.0, 2.0, 78.0, 47.0), (0.0, 0.0, 80.0, 48.0)]


def test_clipseg_on_one_encoding(tmp_path: Path) -> None:
    model: Any = resolve_model(f"hub:{WRITERS['clipseg'](tmp_path)}", "cpu")
    inputs = model.network.processor(
        text=list(EXPRESSIONS), images=[PICTURE] * 2, padding=True, truncation=True, max_length=20, return_tensors="pt"
    )
    with torch.inference_mode():
        wanted = model.network.model(**inputs).logits
    for answer, logits in zip(ask(model, PICTURE, EXPRESSIONS), wanted, strict=True):
        assert answer.map is not None
        np.testing.assert_allclose(answer.map.log_odds, logits.numpy(), atol=1e-4)
        assert answer.presence == pytest.approx(logits.max().sigmoid().item(), abs=1e-5)


def test_sam3_on_one_encoding(tmp_path: Path) -> None:
    model: Any = resolve_model(f"hub:{WRITERS['sam3'](tmp_path)}", "cpu")
    instances = sam3.Instances(model.network)
    found = instances.detect_phrases(PICTURE, ["dog", "red cat"])
    for phrase, detections in zip(("dog", "red cat"), found, strict=True):
        inputs = model.network.processor(images=PICTURE, text=phrase, return_tensors="pt")
        with torch.inference_mode():
            outputs = model.network.model(**{k: v for k, v in inputs.items() if k != "original_sizes"})
        wanted = model.network.processor.post_process_instance_segmentation(
            outputs, threshold=sam3.CONFIG.least_score, target_sizes=[(48, 80)]
        )[0]
        order = wanted["scores"].argsort(descending=True)
        assert detections and [d.label for d in detections] == [phrase] * len(detections)
        np.testing.assert_allclose([d.score for d in detections], wanted["scores"][order], atol=1e-5)
        np.testing.assert_allclose(
            [d.box_xyxy for d in detections], wanted["boxes"][order].clamp(min=0).clamp(max=80), atol=1e-3
        )
        masks = [mask for mask, _ in instances.masks(PICTURE, [d.box_xyxy for d in detections])]
        assert (np.stack(masks) == wanted["masks"][order].bool().numpy()).mean() > 0.999


@pytest.mark.parametrize("kind", ["sam", "sam_hq", "sam2", "edgetam"])
def test_maskers_on_one_encoding(kind: str, tmp_path: Path) -> None:
    masker = read_masker(find_source(str(WRITERS[kind](tmp_path))), Placement("cpu"))
    drawn = masker.masks(PICTURE, BOXES)
    assert masker.masks(PICTURE, []) == []
    inputs = masker.network.processor(images=PICTURE, input_boxes=[[list(box) for box in BOXES]], return_tensors="pt")
    sizes = [inputs.pop(key) for key in ("original_sizes", "reshaped_input_sizes") if key in inputs]
    inputs["input_boxes"] = inputs["input_boxes"].float()
    with torch.inference_mode():
        outputs = masker.network.model(**inputs, multimask_output=False)
    wanted = masker.network.processor.post_process_masks(outputs.pred_masks, *sizes)[0][:, 0].numpy()
    for (mask, quality), other, score in zip(drawn, wanted, outputs.iou_scores[0, :, 0], strict=True):
        assert mask.shape == (48, 80) and mask.dtype == np.bool_ and (mask == other).mean() > 0.999
        assert quality == pytest.approx(min(max(score.item(), 0), 1), abs=1e-4)
    (again,) = masker.masks(PICTURE, BOXES[1:2])
    assert np.array_equal(again[0], drawn[1][0]) and again[1] == drawn[1][1], "a box does not heed the others"
