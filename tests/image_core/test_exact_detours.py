"""Computed another way, the same numbers: linear layers of many rows, convolutions of enlarged maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.encoders.vision import build_vision_encoder
from image_core.layers import processor
from image_core.layers.many_rows import BATCH, MIN_ROWS, LinearManyRows, linear_many_rows, use_linear_many_rows
from image_core.layers.top_down import TopDownStep, conv_of_upsampled, upsample
from image_core.models.description import ModelConfig
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing
from image_core.segmenter import ImageSegmenter


@pytest.fixture(autouse=True)
def capability(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """What the processor is said to do from now on; AVX512 wherever these tests run, until they say another."""

    def say(name: str) -> None:
        monkeypatch.setattr(processor, "CAPABILITY", name)

    say("AVX512")
    return say


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(2, 24, 24), (1, 600), (1000,), (23, 29), (MIN_ROWS,), (1, 31, 37)])
@torch.no_grad()
def test_many_rows_are_the_rows_of_the_layer(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(12, 20, bias=bias)
    x = torch.randn(*shape, 12)
    torch.testing.assert_close(linear_many_rows(layer, x), layer(x), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_detour_is_taken_where_it_pays_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capability: Callable[[str], None]
) -> None:
    calls: list[torch.Size] = []
    convolve = F.conv2d

    def counted(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        calls.append(x.shape)
        return convolve(x, weight, bias)

    monkeypatch.setattr(F, "conv2d", counted)
    layer, x = nn.Linear(4, 4), torch.randn(MIN_ROWS, 4)
    linear_many_rows(layer, x)
    assert calls == [(16, 4, MIN_ROWS // 16, 1)]
    with torch.enable_grad():
        linear_many_rows(layer, x)
    linear_many_rows(layer, x[:-1])
    linear_many_rows(layer, torch.randn(521, 4))  # a prime
    linear_many_rows(nn.Linear(4, 4).double(), x.double())
    for other in ("AVX2", "DEFAULT", "SVE256"):
        capability(other)
        linear_many_rows(layer, x)
    assert len(calls) == 1


@torch.no_grad()
def test_a_network_that_is_not_ours_takes_the_detour_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4, bias=False))
    x, names = torch.randn(MIN_ROWS, 6), list(network.state_dict())
    expected = network(x)
    use_linear_many_rows(network)
    calls = []
    monkeypatch.setattr(F, "conv2d", lambda *given, _real=F.conv2d: calls.append(1) or _real(*given))
    torch.testing.assert_close(network(x), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(linear_many_rows(network[0], x), network[0](x))
    assert len(calls) == 4 and list(network.state_dict()) == names


@torch.no_grad()
def test_windows_attend_by_the_fused_kernel_in_use_alone(capability: Callable[[str], None]) -> None:
    torch.manual_seed(0)
    encoder, images = build_vision_encoder("tiny_swin"), torch.randn(1, 3, 96, 64)  # of 4 x 4 cells, some shifted
    fused: list[Any] = [block.attn for stage in encoder.swin_stages() for block in stage.blocks]
    encoder.eval()
    assert all(attention.fused_attn for attention in fused)
    assert all(isinstance(attention.qkv, LinearManyRows) for attention in fused)
    in_use = encoder(images)
    encoder.train()
    assert not any(attention.fused_attn for attention in fused)
    capability("AVX2")
    encoder.eval()
    assert not any(attention.fused_attn for attention in fused)
    for level, expected in zip(in_use, encoder(images), strict=True):
        torch.testing.assert_close(level, expected, rtol=1e-4, atol=1e-5)
    encoder.to("meta").eval()  # any device that is no processor
    assert all(attention.fused_attn for attention in fused)


def test_masks_are_the_same_on_every_processor(
    tiny_spec: Callable[..., ModelConfig],
    preprocessing: Preprocessing,
    monkeypatch: pytest.MonkeyPatch,
    capability: Callable[[str], None],
) -> None:
    """LAVT, whose encoder has windows and whose fusion has many rows, at 128 px: 1,024 cells at stride 4."""
    torch.manual_seed(0)
    model, image = build_model(tiny_spec("lavt")), np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    batches: list[int] = []
    convolve = F.conv2d

    def counted(x: Tensor, *given: Any, **named: Any) -> Tensor:
        batches.append(len(x))
        return convolve(x, *given, **named)

    monkeypatch.setattr(F, "conv2d", counted)
    answers, detours = {}, {}
    for name in ("AVX2", "AVX512"):
        capability(name)
        batches.clear()
        segmenter = ImageSegmenter(model, replace(preprocessing, size_px=128))
        answers[name] = segmenter.segment(image, ["the red circle", "the square"])
        detours[name] = sum(batch >= BATCH for batch in batches)  # of two expressions nothing else makes so many
    assert detours["AVX2"] == 0 and detours["AVX512"] > 10
    for plain, detoured in zip(answers["AVX2"], answers["AVX512"], strict=True):
        np.testing.assert_allclose(plain.log_odds((128, 128)), detoured.log_odds((128, 128)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("small", "large"), [((3, 4), (6, 8)), ((1, 1), (2, 2)), ((1, 3), (5, 3)), ((4, 2), (7, 9))])
@torch.no_grad()
def test_taps_on_the_small_map_are_the_convolution_of_the_large_one(
    small: tuple[int, int], large: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 5, *small).double(), torch.randn(7, 5, 3, 3).double()
    expected = F.conv2d(upsample(x, *large), weight, padding=1)
    torch.testing.assert_close(conv_of_upsampled(x, weight, *large), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_a_step_in_use_is_the_step_as_it_reads(bias: bool) -> None:
    torch.manual_seed(0)
    step = TopDownStep(6, 4, 8, bias=bias).eval()
    for name, buffer in step.named_buffers():
        if name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 2.0)
        elif name.endswith("running_mean"):
            nn.init.normal_(buffer)
    deep, fine = torch.randn(2, 6, 3, 5), torch.randn(2, 4, 6, 10)
    expected = step.blocks(torch.cat([upsample(deep, 6, 10), fine], 1))
    torch.testing.assert_close(step(deep, fine), expected, rtol=1e-5, atol=1e-5)
