"""A convolution of a doubled map is the same in both orders, borders and bands included."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.layers.doubled_conv import BAND, DoubledConv, spread_rows


def seen(dtype: torch.dtype = torch.float64) -> DoubledConv:
    """A layer whose batch norm has seen something."""
    torch.manual_seed(0)
    layer = DoubledConv(6, 5)
    for name, value in layer.norm.state_dict().items():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5) if name == "running_var" else value.normal_()
    return layer.to(dtype).eval()


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (7, 3), (BAND, 4), (2 * BAND + 5, 6)])
@torch.no_grad()
def test_the_fused_convolution_equals_the_unfused_one(size: tuple[int, int]) -> None:
    """To rounding of double precision, so that no border can hide."""
    layer = seen()
    x = torch.randn(2, 6, *size, dtype=torch.float64)
    plain = layer._forward_unfused(x)
    torch.testing.assert_close(layer(x), plain, rtol=1e-12, atol=1e-12)

    def total(y: Tensor) -> Tensor:
        return y.sum(1, keepdim=True)

    torch.testing.assert_close(layer.forward_reduced(x, total), total(plain), rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_single_precision_loses_nothing_that_matters() -> None:
    layer = seen(torch.float32)
    x = torch.randn(1, 6, 20, 20)
    torch.testing.assert_close(layer(x), layer._forward_unfused(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [2, 3, 6, 9])
def test_rows_in_pairs_are_the_transposed_convolution(rows: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, rows, 5, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(4, 3, 3, 3, dtype=torch.float64)
    given, expected = spread_rows(x, kernel), F.conv_transpose2d(x, kernel, stride=2, padding=1)
    torch.testing.assert_close(given, expected, rtol=1e-12, atol=1e-12)
    (ours,), (theirs,) = (torch.autograd.grad(y.square().sum(), x) for y in (given, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_in_training_batch_norm_counts_the_large_map() -> None:
    layer = seen().train()
    x = torch.randn(2, 6, 8, 8, dtype=torch.float64)
    before = layer.norm.state_dict()["running_mean"].clone()
    y = layer.forward_reduced(x, lambda large: large.mean(1, keepdim=True))
    assert y.shape == (2, 1, 16, 16)
    assert not torch.equal(layer.norm.state_dict()["running_mean"], before)
    y.sum().backward()
    assert layer.conv.weight.grad is not None and layer.conv.weight.grad.abs().max() > 0
