"""The autoregressive coordinate decoder: an image's memory -> x1, y1, x2, y2, ..., end, one token a step.

Source: SeqTR (Zhu et al., ECCV 2022). A token is a bin 0 .. bins - 1 of a coordinate, x and y in turn, or `end` = bins.
Step t reads the tokens before it (the first step zero, or the memory's `start`) and attends to the memory. In every
layer a learned embedding of the step is added to the queries and keys of the self-attention and to the queries of the
cross-attention, and the memory's position to its keys; values carry none. Three parts of Partial-RES are optional: a
learned first input, features of the image for each token (`co_content`), and a bias on attention (`point_attention`).

Keys and values of past steps are kept in a `DecoderCache` that the caller owns, so a step costs one token and not the
whole prefix (benchmarks/speed/sequence_decoder.py). The module itself keeps nothing between calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from image_core.layers.co_content import CoContent, Lines
from image_core.layers.point_attention import ImageGrid, PointModulation, image_grid
from image_core.layers.transformer import Attention, FeedForward, Memory

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer, (N, heads, K, C / heads) each."""


@dataclass(frozen=True)
class DecoderCache:
    """The state between two calls of `CoordinateDecoder.step`. A step returns a new one and does not change the old."""

    memory: tuple[KeysValues, ...]  # of the memory, one for each layer
    past: tuple[KeysValues, ...]  # of the steps done, one for each layer; K = steps
    pad_mask: Tensor  # (N, M) bool, of the memory
    steps: int = 0  # how many are done
    lines: Lines | None = None  # of the memory, for co-content
    grid: ImageGrid | None = None  # of the memory, for point modulation
    start: Tensor | None = None  # (N, C) of the memory, for the first step


@dataclass(frozen=True)
class Generated:
    """A generated sequence of S steps."""

    tokens: Tensor  # (N, S) long, `end` from the first end on
    logits: Tensor  # (N, S, bins + 1), what each token was chosen from


class DecoderLayer(nn.Module):
    """x <- LN(x + SA(x)), x <- LN(x + CA(x, memory)), x <- LN(x + FFN(x)). `point` modulates CA where there is one."""

    def __init__(
        self, channels: int, heads: int, hidden: int, dropout: float, point: PointModulation | None = None
    ) -> None:
        super().__init__()
        self.self_attention = Attention(channels, heads, dropout)
        self.cross_attention = Attention(channels, heads, dropout)
        self.feed_forward = FeedForward(channels, hidden, dropout)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(channels) for _ in range(3))
        self.dropout = nn.Dropout(dropout)
        self.point = point

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        past: KeysValues,
        memory: KeysValues,
        pad_mask: Tensor,
        grid: ImageGrid | None = None,
    ) -> tuple[Tensor, KeysValues]:
        """T new tokens (N, T, C) after those of `past` -> (N, T, C), and `past` with the new ones appended."""
        x_with_position = x + position
        new = self.self_attention.keys_values(x_with_position, x)
        keys, values = (torch.cat(pair, dim=2) for pair in zip(past, new, strict=True))
        t, k = x.shape[1], keys.shape[2]
        later = torch.ones(t, k, dtype=torch.bool, device=x.device).triu(k - t + 1)
        x = self.norm1(x + self.dropout(self.self_attention(x_with_position, keys, values, later)))
        bias = None if self.point is None or grid is None else self.point(x, grid)
        x = self.norm2(x + self.dropout(self.cross_attention(x + position, *memory, pad_mask[:, None, None], bias)))
        return self.norm3(x + self.dropout(self.feed_forward(x))), (keys, values)


class CoordinateDecoder(nn.Module):
    """Memory -> logits over bins + 1 tokens at each of 2 points + 1 steps.

    channels: C of memory and decoder; bins: values of a coordinate; points: most contour points; hidden: width of the
    feed-forward parts; task: one row, the input of the first step (None: zero); co_content: its result is added to the
    embeddings of tokens; modulations: one for each layer, or none. The last two need a memory with cells.
    """

    def __init__(
        self,
        *,
        channels: int,
        heads: int,
        hidden: int,
        layers: int,
        bins: int,
        points: int,
        dropout: float,
        task: nn.Embedding | None = None,
        co_content: CoContent | None = None,
        modulations: Sequence[PointModulation] = (),
    ) -> None:
        super().__init__()
        self.bins, self.end, self.steps = bins, bins, 2 * points + 1
        self.embedding = nn.Embedding(bins + 1, channels)
        self.position = nn.Embedding(self.steps, channels)
        self.task, self.co_content = task, co_content
        each = modulations or (None,) * layers
        self.layers = nn.ModuleList(
            DecoderLayer(channels, heads, hidden, dropout, point) for _, point in zip(range(layers), each, strict=True)
        )
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Sequential(
            nn.Linear(channels, channels),
            nn.ReLU(inplace=True),
            nn.Linear(channels, channels),
            nn.ReLU(inplace=True),
            nn.Linear(channels, bins + 1),
        )

    def forward(self, memory: Memory, tokens: Tensor) -> Tensor:
        """Teacher forcing: (N, T) long, T < steps, -> (N, T + 1, bins + 1); row t comes from tokens[:, :t]."""
        cache = self.begin(memory)
        inputs = torch.cat([self._first(cache), self._read(tokens, 0, cache)], dim=1)
        return self._advance(inputs, cache)[0]

    def begin(self, memory: Memory) -> DecoderCache:
        """The cache before the first step: what the layers read of N memories is computed once, here."""
        tokens_with_position = memory.tokens + memory.position
        attentions = (cast(DecoderLayer, layer).cross_attention for layer in self.layers)
        read = tuple(attention.keys_values(tokens_with_position, memory.tokens) for attention in attentions)
        empty = tuple((k[:, :, :0], v[:, :, :0]) for k, v in read)
        lines = None if self.co_content is None else self.co_content.lines(memory)
        modulated = any(cast(DecoderLayer, layer).point is not None for layer in self.layers)
        return DecoderCache(
            read,
            empty,
            memory.pad_mask,
            lines=lines,
            grid=image_grid(memory) if modulated else None,
            start=memory.start,
        )

    def step(self, token: Tensor | None, cache: DecoderCache) -> tuple[Tensor, DecoderCache]:
        """The token before (N,), None at the first step -> logits (N, bins + 1) of the next one, and the new cache.

        Raises `ValueError` past the last step.
        """
        if (token is None) != (cache.steps == 0):
            fault = "a token, got none" if token is None else "no token, got one"
            raise ValueError(f"step {cache.steps}: expected {fault}")
        inputs = self._first(cache) if token is None else self._read(token[:, None], cache.steps - 1, cache)
        logits, cache = self._advance(inputs, cache)
        return logits[:, 0], cache

    def generate(self, memory: Memory, *, coordinates: int | None = None) -> Generated:
        """Greedy decoding over all steps; after its first end token a row has only end tokens.

        coordinates: exactly this many steps, in which the end token is excluded (4 for a box); None: all steps.
        """
        cache, token = self.begin(memory), None
        tokens, all_logits = [], []
        for _ in range(self.steps if coordinates is None else coordinates):
            logits, cache = self.step(token, cache)
            chosen = (logits if coordinates is None else logits[:, : self.end]).argmax(-1)
            token = chosen if token is None else chosen.masked_fill(token == self.end, self.end)
            tokens.append(token)
            all_logits.append(logits)
        return Generated(torch.stack(tokens, 1), torch.stack(all_logits, 1))

    def _first(self, cache: DecoderCache) -> Tensor:
        """(N, 1, C): the input of the first step."""
        keys = cache.memory[0][0]
        if self.task is None:
            first = keys.new_zeros(keys.shape[0], 1, self.embedding.embedding_dim)
        else:
            first = self.task.weight[None].expand(keys.shape[0], -1, -1)
        return first if cache.start is None else first + cache.start[:, None]

    def _read(self, tokens: Tensor, first: int, cache: DecoderCache) -> Tensor:
        """T tokens (N, T), from position `first` of their sequences on -> the inputs of the next steps, (N, T, C)."""
        codes = self.embedding(tokens)
        if self.co_content is None or cache.lines is None:
            return codes
        return codes + self.co_content.read(tokens, first, cache.lines)

    def _advance(self, inputs: Tensor, cache: DecoderCache) -> tuple[Tensor, DecoderCache]:
        t, done = inputs.shape[1], cache.steps
        if done + t > self.steps:
            raise ValueError(f"decoder: expected at most {self.steps} steps, got {done + t}")
        position = self.position.weight[done : done + t]
        x, past = inputs, []
        for layer, before, memory in zip(self.layers, cache.past, cache.memory, strict=True):
            x, kept = layer(x, position, before, memory, cache.pad_mask, cache.grid)
            past.append(kept)
        return self.head(self.norm(x)), replace(cache, past=tuple(past), steps=done + t)
