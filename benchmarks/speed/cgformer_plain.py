"""CGFormer's decoder as its release computes it, written from a description: the reference for the cost of ours.

Every cell goes through every projection, maps are upsampled before they are convolved, and a 1 x 1 convolution at the
size of the image comes before the kernel of the chosen token, with its border. With the same weights it gives the same
mask.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.models.cgformer import KernelHead
from image_core.models.token_grouping import Grouping


def grouped(group: Grouping, tokens: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """`Grouping.forward` in the form of the release."""
    cells = group.norm_cells(cells)
    q, k, v = group.to_q(group.norm_tokens(tokens)), group.to_k(cells), group.to_v(cells)
    similar = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(1, 2)
    soft = (similar / group.log_temperature.clamp(max=0).exp()).softmax(1)
    hard = torch.zeros_like(soft).scatter_(1, soft.argmax(1, keepdim=True), 1.0)
    gathered = (hard / (hard.sum(-1, keepdim=True) + 1)) @ v
    return group.mlp(group.norm(group.out(gathered) + tokens)), hard


def drawn(head: KernelHead, x: Tensor, token: Tensor) -> Tensor:
    """`KernelHead.forward` with the release's border."""
    for part in (head.first, head.second):
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        x = F.relu(part.norm(part.conv(x)))
    x = F.conv2d(x, head.project.weight[..., None, None], head.project.bias)
    n, c, h, w = x.shape
    kernel = head.kernel(token)
    mask = F.conv2d(x.reshape(1, n * c, h, w), kernel[:, :c].reshape(n, c, 1, 1), kernel[:, c], padding=1, groups=n)
    return F.interpolate(mask.reshape(n, 1, h + 2, w + 2), (h, w), mode="bilinear", align_corners=True)[:, 0]


PLAIN = ((Grouping, "forward", grouped), (KernelHead, "forward", drawn))
"""(class, name of a method, its replacement)."""
