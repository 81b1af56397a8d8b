"""A faster linear layer over very many rows, at inference on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.layers.processor import has_avx512

MIN_ROWS = 512
"""Below it the detour costs what it gains."""
BATCH = 16
"""From this batch size on, torch computes 1x1 convolutions with oneDNN even on one thread."""


def linear_many_rows(layer: nn.Module, x: Tensor) -> Tensor:
    """`layer(x)` of an `nn.Linear` over (..., C), to rounding.

    Without gradients, in fp32 and on a CPU with AVX-512, many rows are computed as a 1x1 convolution over a batch, by
    oneDNN. Its kernels use the full width of AVX-512; on processors that are not Intel's, torch's matrix product uses
    half of it. That is 1.1 to 2 times as fast. With AVX2 nothing is gained, and torch's own product is used.
    """
    return _linear(layer.weight, layer.bias, x) if type(layer) is nn.Linear else layer(x)


class LinearManyRows(nn.Linear):
    """An `nn.Linear` whose `forward` is `linear_many_rows`."""

    def forward(self, input: Tensor) -> Tensor:
        return _linear(self.weight, self.bias, input)


def use_linear_many_rows(network: nn.Module) -> None:
    """The linear layers of a network whose code is not ours become `LinearManyRows`, with their weights and names."""
    for layer in network.modules():
        if type(layer) is nn.Linear:
            layer.__class__ = LinearManyRows


def _linear(weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    rows = x.numel() // x.shape[-1]
    plain = torch.is_grad_enabled() or x.device.type != "cpu" or x.dtype is not torch.float32
    if plain or rows < MIN_ROWS or not has_avx512():
        return F.linear(x, weight, bias)
    batch = next((b for b in range(BATCH, 2 * BATCH + 1) if rows % b == 0), None)
    if batch is None:
        return F.linear(x, weight, bias)
    cells = x.reshape(batch, rows // batch, 1, x.shape[-1]).permute(0, 3, 1, 2)  # channels last, nothing moves
    y = F.conv2d(cells, weight[:, :, None, None], bias)
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)
