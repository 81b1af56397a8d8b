"""Logits become masks at video size."""

from __future__ import annotations

import pytest
import torch

from image_core.segmenter import ImageSegmenter
from image_core.types import Prediction
from rvos.postprocess import Postprocessor


def _prediction(logits: torch.Tensor, presence: float) -> Prediction:
    n = len(logits)
    return Prediction(logits, torch.full((n,), presence), torch.full((n,), 0.75))


@pytest.fixture
def postprocess(colour_segmenter: ImageSegmenter) -> Postprocessor:
    return Postprocessor(colour_segmenter.model, colour_segmenter.preprocessing)


@pytest.mark.parametrize("size", [(48, 80), (37, 64), (480, 854), (5, 9)])
def test_the_left_half_of_the_valid_cells_is_the_left_half_of_the_frame(
    postprocess: Postprocessor, size: tuple[int, int]
) -> None:
    valid = postprocess.preprocessing.content_size(*size)
    logits = torch.full((1, 16, 16), -4.0)
    logits[..., : valid[1] // 8] = 4.0
    found = postprocess(_prediction(logits, 3.0), torch.tensor([valid]), size)
    assert found.mask.shape == size and found.mask.dtype == bool
    border = size[1] * (valid[1] // 8) * 4 / valid[1]
    assert found.mask.sum(1) == pytest.approx([border] * size[0], abs=1)
    assert found.score == 0.75 and found.presence == pytest.approx(torch.sigmoid(torch.tensor(3.0)).item())


@pytest.mark.parametrize(("presence", "present"), [(-0.01, False), (0.0, True), (5.0, True), (-5.0, False)])
def test_below_half_a_presence_the_mask_is_empty(postprocess: Postprocessor, presence: float, present: bool) -> None:
    found = postprocess(_prediction(torch.ones(1, 16, 16), presence), torch.tensor([[64, 64]]), (20, 20))
    assert found.mask.any() == present and (found.mask.all() or not present)


def test_the_calibration_of_the_model_is_used(postprocess: Postprocessor) -> None:
    postprocess.model.presence_offset.fill_(-2.0)
    found = postprocess(_prediction(torch.ones(1, 16, 16), 1.0), torch.tensor([[64, 64]]), (20, 20))
    assert found.presence == pytest.approx(torch.sigmoid(torch.tensor(-1.0)).item()) and not found.mask.any()


def test_several_rows_are_refused(postprocess: Postprocessor) -> None:
    with pytest.raises(ValueError, match="came 2 rows, wanted 1"):
        postprocess(_prediction(torch.ones(2, 16, 16), 1.0), torch.tensor([[64, 64]]), (20, 20))
