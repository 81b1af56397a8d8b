"""A 3x3 convolution of a map that was doubled bilinearly: the same numbers for a quarter of the multiplications.

Doubling a map x, a value at every second place, is p(z) x(z^2) with p = (1 + z)^3 / 4 along each axis, in every channel
alone; a convolution with k mixes channels, the same everywhere. The two commute: k(z) p(z) x(z^2) is also p after
k(z) x(z^2), which is a transposed convolution of stride 2 over the small map. It takes 9 products a cell of the small
map, where the convolution of the large one takes 36; p is a 4x4 filter a channel. Both hold inside: at the border the
convolution sees zeros and p sees the map go on, so what lies one pixel outside is taken off again.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BAND = 16
"""Rows of the small map that are computed at a time where the large map is not kept."""


class DoubledConv(nn.Module):
    """Bilinear doubling, 3x3 convolution without bias, batch norm, ReLU: (N, C_in, h, w) -> (N, C_out, 2 h, 2 w).

    In training it does what it says, in this order; in use what stands above, to rounding.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return self._as_it_reads(x)
        return self._rows(x, self._folded(x), 0, x.shape[2])

    def reduced(self, x: Tensor, reduce: Callable[[Tensor], Tensor]) -> Tensor:
        """`reduce` of the large map, which takes (N, C_out, rows, 2 w) to the same rows of fewer channels and mixes no
        rows. In use the large map is made band by band and never whole."""
        if self.training:
            return reduce(self._as_it_reads(x))
        folded, h = self._folded(x), x.shape[2]
        bands = [reduce(self._rows(x, folded, a, min(a + BAND, h))) for a in range(0, h, BAND)]
        return torch.cat(bands, dim=2)

    def _as_it_reads(self, x: Tensor) -> Tensor:
        large = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return F.relu(self.norm(self.conv(large)))

    def _folded(self, x: Tensor) -> _Folded:
        norm = self.norm
        assert norm.running_var is not None and norm.running_mean is not None  # it is built with both
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        return _Folded(x, self.conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale)

    def _rows(self, x: Tensor, folded: _Folded, a: int, b: int) -> Tensor:
        """Rows 2 a to 2 b of the large map."""
        y = F.conv_transpose2d(folded.padded[:, :, a : b + 2], folded.spread, stride=2, padding=1)
        y = F.conv2d(y, folded.filter, folded.shift, groups=y.shape[1])
        y[..., 0] -= folded.left[:, :, 2 * a : 2 * b]
        y[..., -1] -= folded.right[:, :, 2 * a : 2 * b]
        if a == 0:
            y[:, :, 0] -= folded.top
        if b == x.shape[2]:
            y[:, :, -1] -= folded.bottom
        return F.relu_(y)


class _Folded:
    """What all bands of a map share: kernels with the batch norm in them, and what the border has too much of."""

    def __init__(self, x: Tensor, kernel: Tensor, shift: Tensor) -> None:
        binomial = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device, dtype=x.dtype) / 4
        self.filter = (binomial[:, None] * binomial).expand(len(kernel), 1, 4, 4).contiguous()
        self.spread = kernel.flip(2, 3).transpose(0, 1)
        self.shift = shift
        self.padded = F.pad(x, (1, 1, 1, 1), mode="replicate").contiguous(memory_format=torch.channels_last)
        # One pixel outside of the large map stands what stands on its edge. The corners count for top and bottom.
        self.top = F.conv1d(_along(x[:, :, 0], corners=True), kernel[:, :, 0])
        self.bottom = F.conv1d(_along(x[:, :, -1], corners=True), kernel[:, :, 2])
        self.left = F.conv1d(_along(x[..., 0], corners=False), kernel[..., 0])
        self.right = F.conv1d(_along(x[..., -1], corners=False), kernel[..., 2])


def _along(edge: Tensor, corners: bool) -> Tensor:
    """(N, C, n) -> (N, C, 2 n + 2): doubled bilinearly, with a pixel at both ends, the next one's value or zero."""
    doubled = F.interpolate(edge, scale_factor=2.0, mode="linear", align_corners=False)
    return F.pad(doubled, (1, 1), mode="replicate" if corners else "constant")
