"""What models that answer with a contour share: true masks as tokens, and tokens as a prediction.

Coordinates are relative to the picture padded up to the model's `size_multiple`, each axis by itself, whatever else a
batch pads. Outlines are traced and filled in numpy, so these functions bring masks and tokens to the CPU and back.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.geometry.contours import (
    dequantise,
    largest_outline,
    quantise,
    rasterise,
    sample_points,
    shuffle_points,
)
from image_core.types import Prediction

OUTSIDE = -20.0
"""Logit of a cell away from the contour: probability 0."""

_SCORES = (1e-3, 1 - 1e-4)  # so that the inside keeps its sign and stays finite


def padded_px(valid_px: Tensor, multiple: int) -> Tensor:
    """(N, 2) sizes -> (N, 2): each side up to the next multiple."""
    return (valid_px + multiple - 1).div(multiple, rounding_mode="floor") * multiple


def contour_tokens(
    masks: Tensor, frame_px: Tensor, *, points: int, bins: int, shuffle_share: float, rng: np.random.Generator
) -> Tensor:
    """(N, H, W) masks in {0, 1} -> (N, 2 points) long: x1, y1, ... of the largest part, then `bins` = end.

    frame_px: (N, 2) sides that coordinates are relative to. A row's points are in random order with probability
    `shuffle_share`, else in the outline's. An empty mask is all end.
    """
    rows = np.full((len(masks), 2 * points), bins, np.int64)
    sizes = frame_px.tolist()
    for row, mask, (height, width) in zip(rows, masks.cpu().numpy() > 0.5, sizes, strict=True):
        chosen = sample_points(largest_outline(mask), points)
        if shuffle_share > 0 and rng.random() < shuffle_share:
            chosen = shuffle_points(chosen, rng)
        row[: chosen.size] = quantise(chosen, (height, width), bins).reshape(-1)
    return torch.from_numpy(rows).to(masks.device)


def contour_prediction(
    tokens: Tensor, logits: Tensor, *, size: tuple[int, int], valid_px: Tensor, frame_px: Tensor, offset: float
) -> Prediction:
    """Tokens (N, S) and the logits (N, S, bins + 1) they were chosen from -> masks, presence, score, contour.

    size: (H, W) of the input. The sequence is cut at its first end, and an odd coordinate at its tail is dropped.
    score: mean probability of the tokens that are left, 0 where none is.
    presence_logit: log-odds, at the first step, of any coordinate against the end: no contour, no target.
    mask_logits: `soft_mask` of the filled contour. contour: in [0, 1] of the picture, the last point repeated up to
    S // 2; zeros where there is none.
    """
    end = logits.shape[2] - 1
    used = (tokens != end).cumprod(1)
    used = used * (torch.arange(tokens.shape[1], device=tokens.device) < used.sum(1, keepdim=True) // 2 * 2)
    log_probs = logits.float().log_softmax(-1)
    likely = log_probs.gather(2, tokens[..., None])[..., 0].exp()
    score = (likely * used).sum(1) / used.sum(1).clamp(min=1)
    presence_logit = log_probs[:, 0, :end].logsumexp(-1) - log_probs[:, 0, end]
    filled = np.zeros((len(tokens), *size), bool)
    contour = np.zeros((len(tokens), tokens.shape[1] // 2, 2), np.float32)
    sides = torch.cat([valid_px, frame_px], dim=1).tolist()
    for i, (row, count) in enumerate(zip(tokens.cpu().numpy(), used.sum(1).tolist(), strict=True)):
        if count == 0:
            continue
        height, width, frame_height, frame_width = sides[i]
        points = dequantise(row[:count].reshape(-1, 2), (frame_height, frame_width), end, offset)
        filled[i] = rasterise([points], size)
        contour[i, : len(points)] = np.clip((points + 0.5) / (width, height), 0, 1)
        contour[i, len(points) :] = contour[i, len(points) - 1]
    mask = torch.from_numpy(filled).to(logits.device)
    return Prediction(
        mask_logits=soft_mask(mask, score).to(logits.dtype),
        presence_logit=presence_logit.to(logits.dtype),
        score=score.to(logits.dtype),
        contour=torch.from_numpy(contour).to(logits),
    )


def soft_mask(mask: Tensor, score: Tensor) -> Tensor:
    """(N, H, W) bool and (N,) scores -> (N, H/4, W/4) logits of 0.5 + 0.5 score inside and 0 outside.

    With a = logit(0.5 + 0.5 score), a cell that the mask covers to the share c > 0 has a (2 c - 1), and the cells that
    touch such a one -a: enlarged, the logits cross zero where the contour runs, instead of being drawn inwards by the
    far outside. A mask too small to cover half a cell anywhere is enlarged in share until it does.
    """
    share = F.avg_pool2d(mask[:, None].float(), 4)
    peak = share.amax((2, 3), keepdim=True)
    share = share / torch.where((peak > 0) & (peak < 0.5), peak, torch.ones_like(peak))
    near = F.max_pool2d(share, 3, stride=1, padding=1) > 0
    inside = (0.5 + 0.5 * score.float().clamp(*_SCORES)).logit()[:, None, None, None]
    return torch.where(near, inside * (2 * share - 1), torch.full_like(share, OUTSIDE))[:, 0]


def token_loss(logits: Tensor, targets: Tensor, *, smoothing: float, end_weight: float) -> Tensor:
    """Label-smoothed cross-entropy, summed and divided by the number of tokens.

    logits: (N, S, V); targets: (N, S) long. The target has 1 - smoothing, every other token smoothing / V; a target
    that is the end (V - 1) counts `end_weight`.
    """
    log_probs = logits.float().log_softmax(-1)
    size = log_probs.shape[-1]
    said = log_probs.gather(2, targets[..., None])[..., 0]
    spread = smoothing / size
    values = (1 - smoothing) * said + spread * (log_probs.sum(-1) - said)
    weights = torch.where(targets == size - 1, end_weight, 1.0)
    return -(values * weights).sum() / max(1, targets.numel())
