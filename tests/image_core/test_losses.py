"""Losses: their formulas by hand, and that nothing is ever divided by zero."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from image_core.losses import bce_loss, dice_loss, presence_loss

torch.set_num_threads(1)
MASK_LOSSES = [dice_loss, bce_loss]


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_dice_by_hand() -> None:
    logits = torch.tensor([[[logit(0.8), logit(0.4)], [logit(0.2), logit(0.6)]]])
    targets = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    # intersection 1.2, prediction 2.0, truth 2
    assert dice_loss(logits, targets).item() == pytest.approx(1 - (2.4 + 1) / (4 + 1))


def test_bce_by_hand() -> None:
    logits, targets = torch.tensor([[[logit(0.8), logit(0.4)]]]), torch.tensor([[[1.0, 0.0]]])
    assert bce_loss(logits, targets).item() == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)


def test_presence_by_hand() -> None:
    value = presence_loss(torch.tensor([logit(0.9), logit(0.3)]), torch.tensor([True, False]))
    assert value.item() == pytest.approx(-(math.log(0.9) + math.log(0.7)) / 2)


def test_dice_on_an_empty_target_rewards_silence() -> None:
    empty = torch.zeros(1, 8, 8)
    silent, loud = torch.full((1, 8, 8), -20.0), torch.full((1, 8, 8), 20.0)
    assert dice_loss(silent, empty).item() == pytest.approx(0, abs=1e-5)
    assert dice_loss(loud, empty).item() == pytest.approx(64 / 65)
    assert dice_loss(silent, empty) < dice_loss(torch.zeros(1, 8, 8), empty) < dice_loss(loud, empty)


@pytest.mark.parametrize("loss", MASK_LOSSES)
@pytest.mark.parametrize("value", [-1e4, 0.0, 1e4])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_extremes_are_finite(loss: Callable[..., Tensor], value: float, target: float) -> None:
    logits = torch.full((2, 4, 4), value, requires_grad=True)
    result = loss(logits, torch.full((2, 4, 4), target))
    result.backward()
    assert torch.isfinite(result) and logits.grad is not None and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("loss", MASK_LOSSES)
def test_a_batch_is_the_mean_of_its_samples(loss: Callable[..., Tensor]) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 4, 6, generator=generator)
    targets = (torch.rand(3, 4, 6, generator=generator) > 0.7).float()
    each = torch.stack([loss(logits[i : i + 1], targets[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(loss(logits, targets), each.mean())
    weight = torch.tensor([1.0, 0.0, 3.0])
    torch.testing.assert_close(loss(logits, targets, weight=weight), (each[0] + 3 * each[2]) / 4)
    torch.testing.assert_close(loss(logits, targets, weight=torch.tensor([True, False, True])), (each[0] + each[2]) / 2)


@pytest.mark.parametrize("loss", MASK_LOSSES)
def test_no_weight_and_no_sample_give_zero_with_a_gradient(loss: Callable[..., Tensor]) -> None:
    logits = torch.randn(2, 4, 4, requires_grad=True)
    nothing = loss(logits, torch.zeros(2, 4, 4), weight=torch.zeros(2))
    nothing.backward()
    assert nothing.item() == 0 and logits.grad is not None and not logits.grad.any()
    assert loss(logits[:0], torch.zeros(0, 4, 4)).item() == 0


def test_half_precision_logits_are_computed_in_float32() -> None:
    logits = torch.randn(2, 64, 64, generator=torch.Generator().manual_seed(2)).bfloat16()
    targets = torch.zeros(2, 64, 64)
    for loss in MASK_LOSSES:
        assert loss(logits, targets).dtype == torch.float32
        torch.testing.assert_close(loss(logits, targets), loss(logits.float(), targets))


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected targets of shape \(2, 4, 4\)"):
        dice_loss(torch.zeros(2, 4, 4), torch.zeros(2, 8, 8))
    with pytest.raises(ValueError, match="one a sample"):
        dice_loss(torch.zeros(2, 4, 4), torch.zeros(2, 4, 4), weight=torch.ones(3))
