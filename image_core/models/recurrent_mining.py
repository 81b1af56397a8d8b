"""The three steps of S2RM's mining: language feature distribution, recurrent coparsing, and balancing."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from image_core.layers.blocks import ConvBlock, CrossAttention, attend, merge_heads, split_heads
from image_core.types import TextFeatures

Update = Literal["overwrite", "gated", "accumulate", "side_by_side"]


class LanguageDistribution(nn.Module):
    """Words spread over the image: T_dist = softmax over words(q(V) k(T)) v(T), then 1x1 conv, batch norm, ReLU."""

    def __init__(self, channels: int, text_channels: int, heads: int) -> None:
        super().__init__()
        self.attention = CrossAttention(channels, text_channels, heads)
        self.join = ConvBlock(channels, channels, kernel=1)

    def forward(self, vision: Tensor, text: TextFeatures) -> Tensor:
        """(N, C, h, w) and N rows of words -> (N, C, h, w)."""
        return self.spread(self.queries(vision), text, (vision.shape[2], vision.shape[3]))

    def queries(self, vision: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, h w, C): the query of every cell, which does not depend on the words."""
        return self.attention.to_q(vision.flatten(2).transpose(1, 2))

    def spread(self, queries: Tensor, text: TextFeatures, size: tuple[int, int]) -> Tensor:
        """The rest of `forward`, given the queries (N, h w, C) of h x w cells."""
        gathered = self.attention.answered(queries, text.words, text.word_pad_mask)
        return self.join(gathered.transpose(1, 2).unflatten(2, size))


class OffsetCode(nn.Module):
    """A learned embedding of a shift, measured as a fraction of the axis: sines and cosines of 1 to 8 periods, linear.

    It is cyclic, as the shifts are, and a fraction has the same embedding at every size of the image. Ours.
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
    """Slices of `parsed` attend to slices of `generator`, which is shifted cyclically along the other axis.

    For rows: in step t = 0 .. K - 1, row i of the parsed map (w tokens) attends to row i - t * shift of the generator,
    so that it reaches near and remote rows. Weights are shared over t; slices are folded into the batch. `update` is a
    reading:
    - overwrite: Y <- LN(Y + A_t v_t) at every step
    - gated: Y <- Y + g_t * A_t v_t with queries from LN(Y), a learned gate for each step, one LN at the end
    - accumulate: the queries are computed once, Y <- LN(Y + mean_t A_t v_t)
    - side_by_side: ours, and no recurrence: one softmax over all K shifted slices, whose keys carry an embedding of
      their shift, then one LN; with a shift for every row it is attention over the whole map
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
        elif update == "side_by_side" and max_steps > 1:  # over one slice, a code that all keys share has no effect
            self.shift_code = nn.Parameter(nn.init.trunc_normal_(torch.zeros(max_steps, channels), std=0.02))
        if update == "gated":
            self.query_norm = nn.LayerNorm(channels)
            equal = nn.Parameter(torch.full((max_steps,), 1 / max(1, max_steps)))
            self.gate = equal if max_steps else OffsetCode(1, bias=True)

    def forward(self, generator: Tensor, parsed: Tensor) -> Tensor:
        """Two maps (N, C, h, w), parsed along rows -> (N, C, h, w). For columns, transpose both before and after."""
        return self.parse(self.encode_generator(generator), self.encode_parsed(parsed))

    def encode_generator(self, generator: Tensor) -> tuple[Tensor, ...]:
        """What depends on the generator map (N, C, h, w) alone: keys and values, N rows each."""
        keys, values = self.to_kv(generator.permute(0, 2, 3, 1)).chunk(2, dim=-1)
        if self._is_global:
            return keys, values
        steps, shift = self._steps(generator.shape[2])
        keys, values = shifted_rows(keys, shift, steps), shifted_rows(values, shift, steps)
        if self.update == "side_by_side" and self.max_steps > 1:
            keys = keys + self.shift_code[:steps, None]
        return keys, values

    def encode_parsed(self, parsed: Tensor) -> tuple[Tensor, ...]:
        """What depends on the parsed map (N, C, h, w) alone, N rows each: its slices; their queries, where the update
        does not recompute them; and for attention over the whole map the bias of `_shift_bias`."""
        y = parsed.permute(0, 2, 3, 1)
        if self.update in ("overwrite", "gated"):
            return (y,)
        q = self.to_q(y)
        return (y, q, self._shift_bias(q)) if self._is_global else (y, q)

    def parse(self, generator: tuple[Tensor, ...], parsed: tuple[Tensor, ...]) -> Tensor:
        """The rest of `forward`, given the results of `encode_generator` and `encode_parsed`."""
        (keys, values), (y, *rest) = generator, parsed
        if self._is_global:
            return self._attend_globally(keys, values, y, *rest)
        n, h, w, c = y.shape
        steps = keys.shape[2]

        def slices(x: Tensor) -> Tensor:
            return split_heads(x.reshape(n * h, -1, c), self.heads)

        def message(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            attended = attend(slices(q), slices(k), slices(v))
            return self.out(merge_heads(attended).view(n, h, w, c))

        if self.update == "side_by_side":
            y = self.norm(y + message(rest[0], keys, values))
        elif self.update == "accumulate":
            attended = [message(rest[0], keys[:, :, t], values[:, :, t]) for t in range(steps)]
            y = self.norm(y + torch.stack(attended).mean(0))
        elif self.update == "overwrite":
            for t in range(steps):
                y = self.norm(y + message(self.to_q(y), keys[:, :, t], values[:, :, t]))
        else:
            gates = (1 + self.gate(steps)[:, 0]) / steps if isinstance(self.gate, OffsetCode) else self.gate
            for t in range(steps):
                y = y + gates[t] * message(self.to_q(self.query_norm(y)), keys[:, :, t], values[:, :, t])
            y = self.norm(y)
        return y.permute(0, 3, 1, 2)

    @property
    def _is_global(self) -> bool:
        return self.update == "side_by_side" and self.max_steps == 0

    def _steps(self, h: int) -> tuple[int, int]:
        """(number of shifts, rows of one shift) of a map of h rows."""
        shift = -(-h // (self.max_steps or h))
        return -(-h // shift), shift

    def _attend_globally(self, keys: Tensor, values: Tensor, y: Tensor, q: Tensor, bias: Tensor) -> Tensor:
        """side_by_side with a shift for every row, without a copy of the keys for each shift."""
        n, h, w, c = y.shape
        cells = [split_heads(x.reshape(n, h * w, c), self.heads) for x in (q, keys, values)]
        attended = attend(*cells, bias=bias)
        y = self.norm(y + self.out(merge_heads(attended).view(n, h, w, c)))
        return y.permute(0, 3, 1, 2)

    def _shift_bias(self, queries: Tensor) -> Tensor:
        """(N, h, w, C) -> (N, heads, h w, h w), the attention bias that takes the place of shift codes on the keys: a
        code adds q . code to a logit, and depends only on the rows of the query and the key."""
        n, h, w, c = queries.shape
        q = split_heads(queries.reshape(n, h * w, c), self.heads)
        codes = split_heads(self.offset_code(h)[None].to(q.dtype), self.heads)
        by_shift = ((q * q.shape[-1] ** -0.5) @ codes.transpose(-2, -1)).view(n, self.heads, h, w, h)
        rows = torch.arange(h, device=q.device)
        shifts = ((rows[:, None] - rows) % h)[:, None].expand(n, self.heads, h, w, h)
        bias = by_shift.gather(-1, shifts)[..., None].expand(-1, -1, -1, -1, -1, w)
        return bias.reshape(n, self.heads, h * w, h * w)


def shifted_rows(x: Tensor, shift: int, steps: int) -> Tensor:
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
        """Maps (N, C, h, w) of one shape -> the same maps, weighted."""
        pooled = torch.cat([g.mean((2, 3)) for g in groups], dim=1)
        weights = self.mlp(pooled).sigmoid().unflatten(1, (self.groups, -1))
        return [g * weights[:, i, :, None, None] for i, g in enumerate(groups)]
