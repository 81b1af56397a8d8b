"""A step of a decoder is the same, whether the deep level is enlarged before it is convolved or after."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from image_core.layers.top_down import TopDownStep, convolved_enlarged, enlarged


@pytest.mark.parametrize(("small", "large"), [((3, 4), (6, 8)), ((1, 1), (2, 2)), ((5, 1), (9, 3)), ((4, 4), (4, 4))])
@torch.no_grad()
def test_channels_are_mixed_before_or_after(small: tuple[int, int], large: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x, kernel = torch.randn(2, 5, *small).double(), torch.randn(3, 5, 3, 3).double()
    expected = F.conv2d(enlarged(x, *large), kernel, padding=1)
    torch.testing.assert_close(convolved_enlarged(x, kernel, *large), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_a_step_is_its_layers(bias: bool) -> None:
    torch.manual_seed(0)
    step = TopDownStep(6, 4, 5, bias=bias).double().eval()
    for name, tensor in step.state_dict().items():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5) if name.endswith("running_var") else tensor.normal_()
    deep, fine = torch.randn(2, 6, 3, 4).double(), torch.randn(2, 4, 6, 8).double()
    expected = step.blocks(torch.cat([enlarged(deep, 6, 8), fine], 1))
    torch.testing.assert_close(step(deep, fine), expected, rtol=1e-12, atol=1e-12)
