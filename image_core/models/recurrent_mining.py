"""The parts of S2RM's mining: words spread over a picture, slices that hear shifted slices, groups that are weighed."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from image_core.layers.blocks import ConvBlock, CrossAttention, attend, merge_heads, split_heads
from image_core.types import TextFeatures

Update = Literal["overwrite", "gated", "accumulate", "side_by_side"]


class LanguageDistribution(nn.Module):
    """Words spread over the picture: T_dist = softmax over words(q(V) k(T)) v(T), then 1x1 conv, batch norm, ReLU."""

    def __init__(self, channels: int, text_channels: int, heads: int) -> None:
        super().__init__()
        self.attention = CrossAttention(channels, text_channels, heads)
        self.join = ConvBlock(channels, channels, kernel=1)

    def forward(self, vision: Tensor, text: TextFeatures) -> Tensor:
        """(N, C, h, w) and N rows of words -> (N, C, h, w)."""
        n, c, h, w = vision.shape
        tokens = vision.flatten(2).transpose(1, 2)
        gathered = self.attention(tokens, text.words, text.word_pad_mask)
        return self.join(gathered.transpose(1, 2).reshape(n, c, h, w))


class OffsetCode(nn.Module):
    """A learned function of how far a shift goes round the axis: sines and cosines of 1 to 8 turns, then linear.

    It is cyclic as the shifts are, and one distance has one code at every size of the picture. Ours.
    """

    def __init__(self, channels: int, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(16, channels, bias=bias)
        nn.init.trunc_normal_(self.linear.weight, std=0.02)
        if bias:
            nn.init.zeros_(self.linear.bias)

    def forward(self, steps: int) -> Tensor:
        """(steps, channels): of the shifts by 0, 1 / steps, 2 / steps, ... of the axis."""
        weight = self.linear.weight
        turns = torch.arange(1, 9, device=weight.device)
        angle = 2 * math.pi * turns * torch.arange(steps, device=weight.device)[:, None] / steps
        return self.linear(torch.cat([angle.sin(), angle.cos()], dim=1).to(weight.dtype))


class Coparsing(nn.Module):
    """Slices of `parsed` attend to slices of `generator` that are rolled along the other axis, shift after shift.

    Rows: slice i of the parsed map (w tokens) meets row i - t * shift of the generator, t = 0 .. K - 1, wrapping
    round: near and remote slices alike. Weights are shared over t; slices are folded into the batch. `update` is a
    reading:
    - overwrite: Y <- LN(Y + A_t v_t) at every step
    - gated: Y <- Y + g_t * A_t v_t with queries from LN(Y), a learned gate a step, one LN at the end
    - accumulate: the queries stay, LN(Y + mean_t A_t v_t) once
    - side_by_side: ours, and no recurrence: one softmax over all K shifted slices, whose keys carry a code of their
      shift, LN once; over every row it is attention over the whole map
    """

    def __init__(self, channels: int, heads: int, max_steps: int, update: Update) -> None:
        super().__init__()
        self.heads, self.max_steps, self.update = heads, max_steps, update
        self.to_q = nn.Linear(channels, channels)
        self.to_kv = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)
        if update == "side_by_side" and max_steps == 0:
            self.offset_code = OffsetCode(channels, bias=False)
        elif update == "side_by_side" and max_steps > 1:  # a softmax over one slice does not see what its keys share
            self.shift_code = nn.Parameter(nn.init.trunc_normal_(torch.zeros(max_steps, channels), std=0.02))
        if update == "gated":
            self.query_norm = nn.LayerNorm(channels)
            equal = nn.Parameter(torch.full((max_steps,), 1 / max(1, max_steps)))
            self.gate = equal if max_steps else OffsetCode(1, bias=True)

    def forward(self, generator: Tensor, parsed: Tensor) -> Tensor:
        """Two maps (N, C, h, w), parsed along rows -> (N, C, h, w). For columns, transpose both before and after."""
        if self.update == "side_by_side" and self.max_steps == 0:
            return self._over_the_map(generator, parsed)
        n, c, h, w = parsed.shape
        shift = -(-h // (self.max_steps or h))
        steps = -(-h // shift)
        y = parsed.permute(0, 2, 3, 1)
        keys, values = (rolled(x, shift, steps) for x in self.to_kv(generator.permute(0, 2, 3, 1)).chunk(2, dim=-1))

        def slices(x: Tensor) -> Tensor:
            return split_heads(x.reshape(n * h, -1, c), self.heads)

        def message(y: Tensor, k: Tensor, v: Tensor) -> Tensor:
            attended = attend(slices(self.to_q(y)), slices(k), slices(v))
            return self.out(merge_heads(attended).view(n, h, w, c))

        if self.update == "side_by_side":
            if self.max_steps > 1:
                keys = keys + self.shift_code[:steps, None]
            y = self.norm(y + message(y, keys, values))
        elif self.update == "accumulate":
            attended = [message(y, keys[:, :, t], values[:, :, t]) for t in range(steps)]
            y = self.norm(y + torch.stack(attended).mean(0))
        elif self.update == "overwrite":
            for t in range(steps):
                y = self.norm(y + message(y, keys[:, :, t], values[:, :, t]))
        else:
            gates = (1 + self.gate(steps)[:, 0]) / steps if isinstance(self.gate, OffsetCode) else self.gate
            for t in range(steps):
                y = y + gates[t] * message(self.query_norm(y), keys[:, :, t], values[:, :, t])
            y = self.norm(y)
        return y.permute(0, 3, 1, 2)

    def _over_the_map(self, generator: Tensor, parsed: Tensor) -> Tensor:
        """side_by_side over every row, without a copy of the keys for each shift: a code that a key would carry adds
        q . code to its logit, which depends on the two rows alone."""
        n, c, h, w = parsed.shape
        y = parsed.permute(0, 2, 3, 1)

        def cells(x: Tensor) -> Tensor:
            return split_heads(x.reshape(n, h * w, c), self.heads)

        q = cells(self.to_q(y))
        keys, values = self.to_kv(generator.permute(0, 2, 3, 1)).chunk(2, dim=-1)
        codes = split_heads(self.offset_code(h)[None].to(q.dtype), self.heads)
        by_shift = ((q * q.shape[-1] ** -0.5) @ codes.transpose(-2, -1)).view(n, self.heads, h, w, h)
        rows = torch.arange(h, device=q.device)
        shifts = ((rows[:, None] - rows) % h)[:, None].expand(n, self.heads, h, w, h)
        bias = by_shift.gather(-1, shifts)[..., None].expand(-1, -1, -1, -1, -1, w)
        attended = attend(q, cells(keys), cells(values), bias=bias.reshape(n, self.heads, h * w, h * w))
        y = self.norm(y + self.out(merge_heads(attended).view(n, h, w, c)))
        return y.permute(0, 3, 1, 2)


def rolled(x: Tensor, shift: int, steps: int) -> Tensor:
    """(N, h, w, C) -> (N, h, steps, w, C): row i beside rows i - shift, i - 2 shift, ..., wrapping round."""
    h = x.shape[1]
    reach = (steps - 1) * shift
    wrapped = torch.cat([x[:, h - reach :], x], dim=1) if reach else x
    return torch.stack([wrapped[:, reach - t * shift : reach - t * shift + h] for t in range(steps)], dim=2)


class Balancing(nn.Module):
    """G = sigmoid(W2 ReLU(W1 GAP[groups])): a weight for each channel of each group, or one for each group."""

    def __init__(self, groups: int, channels: int, per_channel: bool) -> None:
        super().__init__()
        wide = groups * channels
        self.groups = groups
        self.mlp = nn.Sequential(
            nn.Linear(wide, wide // 8), nn.ReLU(inplace=True), nn.Linear(wide // 8, wide if per_channel else groups)
        )

    def forward(self, groups: list[Tensor]) -> list[Tensor]:
        """Equal maps (N, C, h, w) in, the same maps weighed out."""
        pooled = torch.cat([g.mean((2, 3)) for g in groups], dim=1)
        weights = self.mlp(pooled).sigmoid().unflatten(1, (self.groups, -1))
        return [g * weights[:, i, :, None, None] for i, g in enumerate(groups)]
