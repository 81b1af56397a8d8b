"""ReLA's region decoder: regions attend to the image, to the words and to each other, and predict the target's mask.

Source: "GRES: Generalized Referring Expression Segmentation" (Liu et al., CVPR 2023), section 4. `form` "release" is
that of the published code, "paper" that of the text, see `models/rela.py`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.layers.transformer import Attention, FeedForward
from image_core.models.rela_pixels import Pixels, sine_position

Form = Literal["release", "paper"]
Looks = Literal["attended", "squares"]

LANGUAGE_SHARE = 0.1
"""Factor of the words' part in the release. Its configuration has a number for it, which its code never reads."""


class Regions(NamedTuple):
    """Logits of P x P regions."""

    masks: Tensor  # (N, P P, h, w), the mask of each region
    minimap: Tensor  # (N, P P, k), whether a region contains a target; k is 2 (release: two classes) or 1 (paper)
    target: Tensor  # (N, k, h, w), the target's mask
    absent: Tensor  # (N, 2): there is a target, there is none


class RegionLayer(nn.Module):
    """One layer: regions attend to one level of the image (RIA), then to the words and to each other (RLA); an FFN.

    release: q <- LN(q + look), q <- q + 0.1 sigmoid(w) LN(q + hear), q <- LN(q + relate), q <- LN(q + FFN(q))
    paper:   q <- LN(q + look), s = LN(q + relate + hear), q <- LN(s + FFN(s))
    look and hear: cross-attention to the image and to the words; relate: self-attention. In the release only the
    first layer has hear. Without attention to words, hear is q times the mean word.
    """

    def __init__(
        self, channels: int, heads: int, hidden: int, *, form: Form, hears: bool, words: bool, regions: bool
    ) -> None:
        super().__init__()
        self.form, self.hears = form, hears
        self.look = Attention(channels, heads, 0.0)
        self.look_norm = nn.LayerNorm(channels)
        self.hear = Attention(channels, heads, 0.0) if hears and words else None
        self.hear_norm = nn.LayerNorm(channels) if hears and form == "release" else None
        self.share = nn.Parameter(torch.zeros(())) if hears and form == "release" else None
        self.relate = Attention(channels, heads, 0.0) if regions else None
        self.relate_norm = nn.LayerNorm(channels) if regions or form == "paper" else None
        self.feed_forward = FeedForward(channels, hidden, dropout=0.0)
        self.norm = nn.LayerNorm(channels)

    def forward(
        self, q: Tensor, place: Tensor, level: Tensor, position: Tensor, masked: Tensor, words: Tensor, pad: Tensor
    ) -> Tensor:
        """q, place: (N, R, C); level, position: (N, K, C); masked: (N, R, K) bool; words: (N, L, C); pad: (N, L)."""
        keys, values = self.look.keys_values(level + position, level)
        q = self.look_norm(q + self.look(q + place, keys, values, masked[:, None]))
        if self.hear_norm is not None and self.share is not None:
            attended = self.hear_norm(q + self._attend_to_words(q, words, pad))
            q = q + LANGUAGE_SHARE * self.share.sigmoid() * attended
        if self.relate_norm is not None:
            update = torch.zeros_like(q) if self.relate is None else self._attend_to_regions(q, place)
            if self.form == "paper":
                update = update + self._attend_to_words(q, words, pad)
            q = self.relate_norm(q + update)
        return self.norm(q + self.feed_forward(q))

    def _attend_to_words(self, q: Tensor, words: Tensor, pad: Tensor) -> Tensor:
        if self.hear is None:
            kept = (~pad).to(words.dtype)[..., None]
            return q * ((words * kept).sum(1, keepdim=True) / kept.sum(1, keepdim=True))
        keys, values = self.hear.keys_values(words, words)
        return self.hear(q, keys, values, pad[:, None, None])

    def _attend_to_regions(self, q: Tensor, place: Tensor) -> Tensor:
        assert self.relate is not None
        keys, values = self.relate.keys_values(q + place, q)
        return self.relate(q + place, keys, values, q.new_zeros(1, 1, 1, 1, dtype=torch.bool))


class RegionDecoder(nn.Module):
    """Pixels and words -> `Regions`. Region n belongs to cell n of the minimap, row by row.

    Before each layer every region predicts a mask. In the layer a region attends to the cells inside its mask (`looks`
    "attended"; to all cells if the mask is empty), or to its own square of the image ("squares", the ablation with a
    hard split).
    """

    def __init__(
        self,
        text_channels: int,
        channels: int,
        *,
        heads: int,
        hidden: int,
        layers: int,
        side: int,
        form: Form,
        looks: Looks,
        words: bool,
        regions: bool,
    ) -> None:
        super().__init__()
        self.side, self.form, self.looks = side, form, looks
        self.start = nn.Embedding(side * side, channels)
        self.place = nn.Embedding(side * side, channels)
        self.level_code = nn.Embedding(3, channels)
        self.words = nn.Linear(text_channels, channels, bias=False)
        self.layers = nn.ModuleList(
            RegionLayer(
                channels,
                heads,
                hidden,
                form=form,
                hears=i == 0 or form == "paper",
                words=words,
                regions=regions,
            )
            for i in range(layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.mask = perceptron(channels, channels, channels, channels)
        self.absent = perceptron(channels, channels, 2)
        self.minimap = nn.Linear(channels, 2 if form == "release" else 1)

    def forward(self, pixels: Pixels, words: Tensor, pad: Tensor) -> Regions:
        """words: (N, L, C_text); pad: (N, L) bool, True on padding."""
        n = len(words)
        words = self.words(words)
        q, place = (table.weight.expand(n, -1, -1) for table in (self.start, self.place))
        maps = [level.flatten(2).transpose(1, 2) for level in pixels.levels]
        maps = [level + code for level, code in zip(maps, self.level_code.weight, strict=True)]
        positions = [sine_position(level) for level in pixels.levels]
        for i, layer in enumerate(self.layers):
            turn = i % len(maps)
            size = (pixels.levels[turn].shape[2], pixels.levels[turn].shape[3])
            masked = self._attention_mask(q, pixels.features, size)
            q = layer(q, place, maps[turn], positions[turn], masked, words, pad)
        states = self.norm(q)
        mask_embeddings = self.mask(states)
        minimap = self.minimap(states)
        weights = minimap if self.form == "release" else minimap.sigmoid()
        target = weights.transpose(1, 2) @ mask_embeddings
        return Regions(
            masks=project_masks(mask_embeddings, pixels.features),
            minimap=minimap,
            target=project_masks(target, pixels.features),
            absent=self.absent(states).mean(1),
        )

    def _attention_mask(self, q: Tensor, features: Tensor, size: tuple[int, int]) -> Tensor:
        """(N, R, h w) bool: the cells of a level of this size that a region must not attend to; no row is all True."""
        if self.looks == "squares":
            hidden = outside_own_square(self.side, size, q.device).expand(len(q), -1, -1)
        else:
            with torch.no_grad():
                masks = project_masks(self.mask(self.norm(q)), features)
                resized = F.interpolate(masks, size=size, mode="bilinear", align_corners=False)
                hidden = (resized < 0).flatten(2)
        return hidden & ~hidden.all(-1, keepdim=True)


def project_masks(embeddings: Tensor, features: Tensor) -> Tensor:
    """(N, R, C) embeddings on (N, C, h, w) pixels -> (N, R, h, w)."""
    return (embeddings @ features.flatten(2)).unflatten(2, features.shape[2:])


def outside_own_square(side: int, size: tuple[int, int], device: torch.device) -> Tensor:
    """(side * side, h * w) bool: False where a cell of a map lies in the region's own square."""
    row, column = (torch.arange(n, device=device) * side // n for n in size)
    square = (row[:, None] * side + column).flatten()
    return square[None] != torch.arange(side * side, device=device)[:, None]


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
