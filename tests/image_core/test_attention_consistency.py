"""AMCR on tables that a reader checks by eye."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.models.attention_consistency import (
    attention_map,
    attention_share,
    layer_map,
    margin_loss,
    mass_loss,
)


def mask_of(rows: list[list[int]], cell: int = 16) -> Tensor:
    """Cells -> (1, H, W) pixels."""
    return torch.tensor(rows).float().repeat_interleave(cell, 0).repeat_interleave(cell, 1)[None]


def test_picture_to_words_takes_the_best_word_and_the_mean_head() -> None:
    """Two heads, two cells, three words of which the last is padding."""
    similarity = torch.tensor([[[[1.0, 3.0, 9.0], [0.0, -1.0, 9.0]], [[5.0, 2.0, 9.0], [-2.0, -4.0, 9.0]]]])
    pad = torch.tensor([[False, False, True]])
    cells = torch.zeros(1, 2, dtype=torch.bool)
    assert layer_map(similarity, pad, cells, "i2t").tolist() == [[(3 + 5) / 2, (0 - 2) / 2]]


def test_words_to_picture_is_the_mean_of_softmaxes() -> None:
    """One head, two words (a third is padding), two cells (a third is padding)."""
    similarity = torch.log(torch.tensor([[[[1.0, 3.0, 7.0], [1.0, 1.0, 7.0], [9.0, 1.0, 7.0]]]]))
    pad = torch.tensor([[False, False, True]])
    cells = torch.tensor([[False, False, True]])
    came = layer_map(similarity, pad, cells, "t2i")
    torch.testing.assert_close(came, torch.tensor([[(0.25 + 0.5) / 2, (0.75 + 0.5) / 2, 0.0]]))


def test_maps_become_one_distribution() -> None:
    """Two layers; the last cell is padding."""
    maps = torch.tensor([[[[0.0, 1.0], [2.0, 5.0]], [[0.0, 3.0], [2.0, 5.0]]]])
    pad = torch.tensor([[[False, False], [False, True]]])
    e = [1.0, math.exp(2), math.exp(2), 0.0]
    wanted = torch.tensor([x / sum(e) for x in e]).view(1, 2, 2)
    torch.testing.assert_close(attention_map(maps, pad, "i2t"), wanted)
    of_both = [(1 / 3 + 3 / 5) / 2, (2 / 3 + 2 / 5) / 2]
    torch.testing.assert_close(attention_map(maps, pad, "t2i"), torch.tensor([[[0.0, of_both[0]], [of_both[1], 0.0]]]))


def test_a_layer_weighs_the_same_at_every_stride() -> None:
    """All of one layer in a cell of stride 16, all of another in a cell of stride 32, enlarged as the model does it."""
    fine, coarse = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2)
    fine[..., 0, 0] = coarse[..., 1, 1] = 1
    maps = torch.cat([fine, F.interpolate(coarse, size=(4, 4), mode="bilinear", align_corners=False)], 1)
    came = attention_map(maps, torch.zeros(1, 4, 4, dtype=torch.bool), "t2i")
    assert came[0, 0, 0].item() == pytest.approx(0.5) and came.sum().item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("rows", "share"),
    [([[1, 0], [0, 0]], 0.1), ([[0, 1], [0, 1]], 0.6), ([[1, 1], [1, 1]], 1.0), ([[0, 0], [0, 0]], 0.0)],
)
def test_share_and_mass(rows: list[list[int]], share: float) -> None:
    attention = torch.tensor([[[0.1, 0.2], [0.3, 0.4]]])
    masks = mask_of(rows)
    torch.testing.assert_close(attention_share(attention, masks), torch.tensor([share]))
    assert mass_loss(attention, masks).item() == pytest.approx(-math.log(share) if share else 0.0, abs=1e-6)


def test_a_cell_counts_by_what_the_mask_covers_of_it() -> None:
    masks = torch.zeros(1, 32, 32)
    masks[0, :16, 24:] = 1  # half of the cell with 0.2
    torch.testing.assert_close(attention_share(torch.tensor([[[0.1, 0.2], [0.3, 0.4]]]), masks), torch.tensor([0.1]))


@pytest.mark.parametrize(
    ("attention", "loss"),
    [
        # inside is the first cell; scaled to maximum 1; margins 0.1 for the mean, 0.5 for the maximum
        ([[0.8, 0.2], [0.0, 0.0]], 0.0),  # 1 against mean 1/12, maximum 1/4
        ([[0.4, 0.4], [0.1, 0.1]], 0.0 + 0.5),  # mean (1 + .25 + .25) / 3 = .5, maximum 1
        ([[0.2, 0.4], [0.2, 0.2]], (2 / 3 - 0.5 + 0.1) + (1 - 0.5 + 0.5)),
    ],
)
def test_margins(attention: list[list[float]], loss: float) -> None:
    came = margin_loss(torch.tensor([attention]), mask_of([[1, 0], [0, 0]]), (0.1, 0.5))
    assert came.item() == pytest.approx(loss, abs=1e-6)


def test_margins_of_masks_that_are_small_whole_or_empty() -> None:
    attention = torch.tensor([[[0.8, 0.2], [0.0, 0.0]]])
    small = torch.zeros(1, 32, 32)
    small[0, 20, 20] = 1  # a pixel of the last cell, which counts as inside
    assert margin_loss(attention, small, (0.0, 0.5)).item() == pytest.approx((1.0 + 0.25) / 3 + 1.5)
    for masks in (mask_of([[1, 1], [1, 1]]), mask_of([[0, 0], [0, 0]])):
        assert margin_loss(attention, masks, (0.0, 0.5)).item() == 0


def test_expressions_without_a_target_are_left_out() -> None:
    attention = torch.tensor([[[0.1, 0.2], [0.3, 0.4]]]).repeat(3, 1, 1).requires_grad_()
    masks = torch.cat([mask_of([[0, 0], [0, 1]]), mask_of([[0, 0], [0, 0]]), mask_of([[0, 0], [0, 1]])])
    assert mass_loss(attention, masks).item() == pytest.approx(-math.log(0.4))
    (mass_loss(attention, masks) + margin_loss(attention, masks, (0.5, 0.5))).backward()
    assert attention.grad is not None
    assert (attention.grad[1] == 0).all() and (attention.grad[[0, 2]] != 0).any() and attention.grad.isfinite().all()
