"""Resizing of planes of logits and masks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def resize_logits(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, half-pixel centres (`align_corners=False`): (N, h, w) raw logits -> (N, H, W).

    Logits are interpolated, not probabilities, so that the zero crossing (the mask's border) is that of the network's
    own output, and no value goes through a sigmoid twice.
    """
    if logits.shape[-2:] == size:
        return logits
    return F.interpolate(logits[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def resize_plane(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`resize_logits` of one plane (h, w) float32 -> (H, W) float32."""
    return resize_logits(torch.from_numpy(np.ascontiguousarray(logits))[None], size)[0].numpy()


def masks_to_tensor(masks: np.ndarray) -> Tensor:
    """(E, H, W) bool -> (E, H, W) float32 in {0, 1}."""
    return torch.from_numpy(np.ascontiguousarray(masks)).float()
