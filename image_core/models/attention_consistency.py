"""AMCR, attention mask consistency: a loss that keeps cross-attention over the image inside the object.

Source: the system figure of SafaRi (arXiv 2407.02389) shows such a loss on the image branch, and attention maps that
are compact blobs inside the object. Its formula could not be read, so everything here is a reading: two sources of the
maps (`layer_map`, `attention_map`) and two forms of the loss (`mass_loss`, `margin_loss`). Maps of layers at other
strides are resized to stride 16. Expressions without a target are left out.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.losses import at_size

Source = Literal["i2t", "t2i"]
Form = Literal["mass", "margin"]
Words = Literal["all", "first"]

MAP_STRIDE = 16
"""Pixels per cell of the maps."""


def words_ignored(word_pad: Tensor, words: Words) -> Tensor:
    """(N, L) bool padding -> the words that the loss does not read: padding, and with "first" all but the first token.

    The first token of BERT and RoBERTa stands for the whole expression. With "all", the loss also makes "square" in
    "the star left of the square" attend to the star.
    """
    if words == "all":
        return word_pad
    only_first = torch.ones_like(word_pad)
    only_first[:, 0] = False
    return only_first


def layer_map(similarity: Tensor, word_pad: Tensor, cell_pad: Tensor, source: Source) -> Tensor:
    """Where one fused layer attends: (N, cells).

    similarity: before the softmax, (N, heads, cells, L) of the image branch ("i2t") or (N, heads, L, cells) of the
    text branch ("t2i"); word_pad: (N, L) bool; cell_pad: (N, cells) bool.
    "i2t": the image branch normalises over words, which says nothing about places. So the map is the similarity
    before the softmax: the maximum over words, then the mean over heads. "t2i": the softmax over cells, averaged over
    heads and words.
    """
    if source == "i2t":
        return similarity.masked_fill(word_pad[:, None, None], float("-inf")).amax(-1).mean(1)
    probs = similarity.masked_fill(cell_pad[:, None, None], float("-inf")).softmax(-1).mean(1)
    words = (~word_pad).to(probs.dtype)[..., None]
    return (probs * words).sum(1) / words.sum(1)


def attention_map(maps: Tensor, cell_pad: Tensor, source: Source) -> Tensor:
    """Maps (N, M, h, w) of M layers, all at one stride, and padding (N, h, w) -> (N, h, w), each row summing to one.

    "i2t": the mean over layers, then a softmax over cells. "t2i": the mean of maps that sum to one each, so that all
    layers weigh the same whatever their stride.
    """
    maps = maps.float()
    if source == "i2t":
        flat = maps.mean(1).masked_fill(cell_pad, float("-inf")).flatten(1).softmax(-1)
    else:
        layers = maps.masked_fill(cell_pad[:, None], 0.0).flatten(2)
        flat = (layers / layers.sum(-1, keepdim=True).clamp(min=1e-12)).mean(1)
    return flat.unflatten(1, maps.shape[-2:])


def attention_share(attention: Tensor, masks: Tensor) -> Tensor:
    """(N,) in [0, 1]: share of the attention (N, h, w) inside the masks (N, H, W); 0 where a mask is empty.

    Each cell counts with the share of its area that the mask covers.
    """
    inside = at_size(masks.float(), attention)
    return (attention * inside).flatten(1).sum(1) / attention.flatten(1).sum(1).clamp(min=1e-12)


def mass_loss(attention: Tensor, masks: Tensor) -> Tensor:
    """-log(sum_p a_p M_p / sum_p a_p), a_p the attention of cell p, M_p the share of it that the mask covers.

    The mean over the expressions with a target; 0 if there is none.
    """
    return _mean_over_targets(-attention_share(attention, masks).clamp(min=1e-6).log(), masks)


def margin_loss(attention: Tensor, masks: Tensor, margins: tuple[float, float]) -> Tensor:
    """max(0, mean outside - mean inside + m_1) + max(0, max outside - max inside + m_2), a scaled to maximum 1.

    The mean over expressions with a target. A cell is inside if the mask covers at least half of it; where the mask
    covers half of no cell, the most covered cell is. The loss is 0 for an image without outside cells. After
    Attention Mask Consistency (Yang et al., CVPR 2023).
    """
    a = attention.flatten(1)
    a = a / a.amax(1, keepdim=True).clamp(min=1e-12)
    covered = at_size(masks.float(), attention).flatten(1)
    inside = covered >= covered.amax(1, keepdim=True).clamp(min=1e-6, max=0.5)
    counts = inside.sum(1), (~inside).sum(1)
    mean_in, mean_out = ((a * of).sum(1) / n.clamp(min=1) for of, n in zip((inside, ~inside), counts, strict=True))
    max_in, max_out = (a.masked_fill(~of, 0.0).amax(1) for of in (inside, ~inside))
    hinges = F.relu(mean_out - mean_in + margins[0]) + F.relu(max_out - max_in + margins[1])
    return _mean_over_targets(hinges * (counts[1] > 0), masks)


def _mean_over_targets(values: Tensor, masks: Tensor) -> Tensor:
    has_target = masks.flatten(1).amax(1) > 0
    return torch.where(has_target, values, torch.zeros_like(values)).sum() / has_target.sum().clamp(min=1)
