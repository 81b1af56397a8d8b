"""Losses of masks and of presence: pure functions of raw logits and targets, per sample, then the mean over samples.

All are computed in float32 whatever the autocast. `weight` (N,) gives each sample its share of the mean (weights of
zero leave a sample out; all zero, or no samples, gives 0 with a gradient of 0, never NaN).
`reduction="none"` returns the (N,) values before weighting.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Reduction = Literal["mean", "none"]


def dice_loss(
    logits: Tensor, targets: Tensor, *, weight: Tensor | None = None, smooth: float = 1.0, reduction: Reduction = "mean"
) -> Tensor:
    """1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth), p = sigmoid(logits); sums over the pixels of a sample.

    logits, targets: (N, h, w), targets in [0, 1]. On an empty target this is sum(p) / (sum(p) + smooth): 0 when nothing
    is predicted, near 1 with hardly a gradient when much is; pass `weight=has_target` where another loss teaches
    absence.
    The form with smooth = 1 is CGFormer's release (linear denominators).
    """
    p, t = _flat_pair(torch.sigmoid(logits.float()), targets)
    ratio = (2 * (p * t).sum(1) + smooth) / (p.sum(1) + t.sum(1) + smooth)
    return _reduce(1 - ratio, weight, reduction)


def bce_loss(logits: Tensor, targets: Tensor, *, weight: Tensor | None = None, reduction: Reduction = "mean") -> Tensor:
    """Binary cross-entropy, mean over the pixels of a sample. logits, targets: (N, h, w), targets in [0, 1]."""
    x, t = _flat_pair(logits.float(), targets)
    return _reduce(F.binary_cross_entropy_with_logits(x, t, reduction="none").mean(1), weight, reduction)


def focal_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    alpha: float | None = 0.25,
    gamma: float = 2.0,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Mean over pixels of a (1 - q)^gamma CE, q = probability given to the truth (Lin et al. 2017, equation 5).

    a = alpha on target pixels and 1 - alpha elsewhere; None leaves it out. logits, targets: (N, h, w), targets 0 or 1.
    """
    x, t = _flat_pair(logits.float(), targets)
    p = torch.sigmoid(x)
    missed = p * (1 - t) + (1 - p) * t
    values = missed.pow(gamma) * F.binary_cross_entropy_with_logits(x, t, reduction="none")
    if alpha is not None:
        values = values * (alpha * t + (1 - alpha) * (1 - t))
    return _reduce(values.mean(1), weight, reduction)


def presence_loss(
    presence_logit: Tensor, has_target: Tensor, *, weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """Binary cross-entropy of "the expression has a target". presence_logit: (N,) raw; has_target: (N,) bool."""
    x, t = _flat_pair(presence_logit.float()[:, None], has_target[:, None])
    return _reduce(F.binary_cross_entropy_with_logits(x, t, reduction="none")[:, 0], weight, reduction)


def _flat_pair(values: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    if values.shape != targets.shape:
        raise ValueError(
            f"loss: came {tuple(values.shape)} against {tuple(targets.shape)}, wanted targets of one shape"
        )
    return values.flatten(1), targets.to(values.dtype).flatten(1)


def _reduce(values: Tensor, weight: Tensor | None, reduction: Reduction) -> Tensor:
    if reduction == "none":
        return values
    share = torch.ones_like(values) if weight is None else weight.to(values.dtype)
    if share.shape != values.shape:
        raise ValueError(f"loss weight: came {tuple(share.shape)}, wanted ({len(values)},), one a sample")
    total = share.sum()
    return (values * share).sum() / torch.where(total > 0, total, torch.ones_like(total))
