"""A 3x3 convolution of a bilinearly upsampled map, with a quarter of the multiplications and the same result.

In the z-transform, bilinear upsampling of a map x by 2 is p(z) x(z^2) with p = (1 + z)^3 / 4 along each axis, the same
in every channel. A convolution with k mixes channels, the same everywhere. The two commute, so p can be applied after
k(z) x(z^2), which is a transposed convolution of stride 2 over the small map. That takes 9 products for a cell of the
small map, where the convolution of the large map takes 36; p is a depthwise 4x4 filter. This holds inside the map. At
the border the convolution pads with zeros, while p continues the map; what this adds is subtracted again.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BAND = 31
"""Rows of the small map that are computed at a time, so that the large map is never whole. Odd: see `spread_rows`."""


class DoubledConv(nn.Module):
    """Bilinear upsampling, 3x3 convolution without bias, batch norm, ReLU: (N, C_in, h, w) -> (N, C_out, 2 h, 2 w).

    In training mode these steps run in order; in eval mode as described above, with the same result up to rounding.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return self._forward_unfused(x)
        return self._rows(x, self._folded(x), 0, x.shape[2])

    def forward_reduced(self, x: Tensor, reduce: Callable[[Tensor], Tensor]) -> Tensor:
        """`reduce(self(x))`. `reduce` maps (N, C_out, rows, 2 w) to the same rows with fewer channels, each row by
        itself. In eval mode the large map is computed in bands of rows and never whole."""
        if self.training:
            return reduce(self._forward_unfused(x))
        folded, h = self._folded(x), x.shape[2]
        bands = [reduce(self._rows(x, folded, a, min(a + BAND, h))) for a in range(0, h, BAND)]
        return torch.cat(bands, dim=2)

    def _forward_unfused(self, x: Tensor) -> Tensor:
        large = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return F.relu(self.norm(self.conv(large)))

    def _folded(self, x: Tensor) -> _Folded:
        norm = self.norm
        assert norm.running_var is not None and norm.running_mean is not None  # it is built with both
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        return _Folded(x, self.conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale)

    def _rows(self, x: Tensor, folded: _Folded, a: int, b: int) -> Tensor:
        """Rows 2 a to 2 b of the large map."""
        h = x.shape[2]
        rows = F.pad(x[:, :, max(0, a - 1) : b + 1], (1, 1, int(a == 0), int(b == h)), mode="replicate")
        y = spread_rows(rows, folded.spread)
        y = F.conv2d(y, folded.filter, folded.shift, groups=y.shape[1])
        y[..., 0] -= folded.left[:, :, 2 * a : 2 * b]
        y[..., -1] -= folded.right[:, :, 2 * a : 2 * b]
        if a == 0:
            y[:, :, 0] -= folded.top
        if b == h:
            y[:, :, -1] -= folded.bottom
        return F.relu_(y)


def spread_rows(x: Tensor, kernel: Tensor) -> Tensor:
    """`F.conv_transpose2d(x, kernel, stride=2, padding=1)`, (N, C, n, w) -> (N, C_out, 2 n - 1, 2 w - 1).

    Every second row mixes two rows of x, and two neighbours of those rows share one of them: three products serve both
    in place of four (Winograd's F(2, 2)). n is best odd.
    """
    n, channels = x.shape[2], kernel.shape[1]
    x = F.pad(x, (0, 0, 0, 1 - n % 2))
    above, here, below = kernel.split(1, 2)

    def spread(rows: Tensor, kernel: Tensor) -> Tensor:
        rows = rows.contiguous(memory_format=torch.channels_last)
        return F.conv_transpose2d(rows, kernel.contiguous(), stride=(1, 2), padding=(0, 1))

    y = torch.empty(
        (len(x), channels, 2 * x.shape[2] - 1, 2 * x.shape[3] - 1),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last,
    )
    middle = x[:, :, 1::2]
    shared = spread(middle, above + below)
    y[:, :, ::2] = spread(x, here)
    y[:, :, 1::4] = shared + spread(x[:, :, :-2:2] - middle, below)
    y[:, :, 3::4] = shared + spread(x[:, :, 2::2] - middle, above)
    return y[:, :, : 2 * n - 1]


class _Folded:
    """What all bands of a map share: kernels with the batch norm folded in, and the terms to subtract at the border."""

    def __init__(self, x: Tensor, kernel: Tensor, shift: Tensor) -> None:
        binomial = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device, dtype=x.dtype) / 4
        self.filter = (binomial[:, None] * binomial).expand(len(kernel), 1, 4, 4).contiguous()
        self.spread = kernel.flip(2, 3).transpose(0, 1)
        self.shift = shift
        # One pixel outside, p repeats the edge of the large map. The corners belong to the top and the bottom.
        self.top = F.conv1d(_upsample_edge(x[:, :, 0], corners=True), kernel[:, :, 0])
        self.bottom = F.conv1d(_upsample_edge(x[:, :, -1], corners=True), kernel[:, :, 2])
        self.left = F.conv1d(_upsample_edge(x[..., 0], corners=False), kernel[..., 0])
        self.right = F.conv1d(_upsample_edge(x[..., -1], corners=False), kernel[..., 2])


def _upsample_edge(edge: Tensor, corners: bool) -> Tensor:
    """(N, C, n) -> (N, C, 2 n + 2): doubled bilinearly, with a pixel at both ends, the next one's value or zero."""
    doubled = F.interpolate(edge, scale_factor=2.0, mode="linear", align_corners=False)
    return F.pad(doubled, (1, 1), mode="replicate" if corners else "constant")
