"""Losses of masks and of presence: pure functions of raw logits and targets, per sample, then the mean over samples.

All are computed in float32 whatever the autocast. `weight` (N,) gives each sample its share of the mean (weights of
zero leave a sample out; all zero, or no samples, gives 0 with a gradient of 0, never NaN).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def at_size(masks: Tensor, logits: Tensor) -> Tensor:
    """(N, H, W) masks as the share of each cell of `logits` (N, h, w) that they cover, in [0, 1]."""
    h, w = logits.shape[-2:]
    return F.adaptive_avg_pool2d(masks[:, None], (h, w)).squeeze(1)


def dice_loss(logits: Tensor, targets: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1), p = sigmoid(logits); sums over the pixels of a sample.

    logits, targets: (N, h, w), targets in [0, 1]. The form is that of CGFormer's release. On an empty target it is
    sum(p) / (sum(p) + 1), which has hardly any gradient where much is predicted. So pass `weight=has_target` if another
    loss covers expressions without a target.
    """
    return dice_loss_of_probs(torch.sigmoid(logits.float()), targets, weight=weight)


def dice_loss_of_probs(probs: Tensor, targets: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """`dice_loss` of probabilities (N, h, w) in [0, 1] in place of logits."""
    p, t = _flat_pair(probs, targets)
    ratio = (2 * (p * t).sum(1) + 1.0) / (p.sum(1) + t.sum(1) + 1.0)
    return _mean(1 - ratio, weight)


def bce_loss(logits: Tensor, targets: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """Binary cross-entropy, mean over the pixels of a sample. logits, targets: (N, h, w), targets in [0, 1]."""
    x, t = _flat_pair(logits.float(), targets)
    return _mean(F.binary_cross_entropy_with_logits(x, t, reduction="none").mean(1), weight)


def focal_loss(
    logits: Tensor, targets: Tensor, *, alpha: float = 0.25, gamma: float = 2.0, weight: Tensor | None = None
) -> Tensor:
    """Binary focal loss (Lin et al., ICCV 2017), mean over the pixels of a sample: cross-entropy times (1 - q)^gamma, q
    the probability of the true class, and times alpha on the target, 1 - alpha on the background.

    logits, targets: (N, h, w), targets in [0, 1]; for targets between 0 and 1, q and alpha are interpolated.
    """
    x, t = _flat_pair(logits.float(), targets)
    p = torch.sigmoid(x)
    truth = p * t + (1 - p) * (1 - t)
    share = alpha * t + (1 - alpha) * (1 - t)
    entropy = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    return _mean((share * (1 - truth) ** gamma * entropy).mean(1), weight)


def two_class_loss(logits: Tensor, targets: Tensor, weights: tuple[float, float]) -> Tensor:
    """Weighted cross-entropy of two classes: the weighted mean over all cells of all samples. LAVT's and ReLA's loss.

    logits: any shape, the logit of the second class minus that of the first; targets: the same shape, the share of the
    second class in [0, 1]; weights: of the first and of the second class.
    """
    if logits.shape != targets.shape:
        raise ValueError(f"loss: expected targets of shape {tuple(logits.shape)}, got {tuple(targets.shape)}")
    x = logits.float()
    t = targets.to(x.dtype)
    share = weights[0] + (weights[1] - weights[0]) * t
    losses = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    return (losses * share).sum() / share.sum().clamp(min=torch.finfo(x.dtype).tiny)


def presence_loss(presence_logit: Tensor, has_target: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of "the expression has a target". presence_logit: (N,) raw; has_target: (N,) bool."""
    x, t = _flat_pair(presence_logit.float()[:, None], has_target[:, None])
    return _mean(F.binary_cross_entropy_with_logits(x, t, reduction="none")[:, 0], weight)


def _flat_pair(values: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    if values.shape != targets.shape:
        raise ValueError(
            f"loss: expected targets of shape {tuple(values.shape)}, as the logits, got {tuple(targets.shape)}"
        )
    return values.flatten(1), targets.to(values.dtype).flatten(1)


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    share = torch.ones_like(values) if weight is None else weight.to(values.dtype)
    if share.shape != values.shape:
        raise ValueError(f"loss weight: expected shape ({len(values)},), one a sample, got {tuple(share.shape)}")
    total = share.sum()
    return (values * share).sum() / torch.where(total > 0, total, torch.ones_like(total))
