"""SeqTR's decoder as its release computes it, written from a description: the reference for the cost of ours.

There is no cache: every step runs all tokens so far through the decoder, computes the keys and values of the memory,
and the logits of all tokens. Attention weights are materialised. With the same weights it chooses the same tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from image_core.layers.blocks import merge_heads, split_heads
from image_core.layers.sequence_decoder import CoordinateDecoder, Generated
from image_core.layers.transformer import Attention, Memory


def from_the_prefix(decoder: CoordinateDecoder, memory: Memory) -> Generated:
    """`CoordinateDecoder.generate` without a cache; a row that has ended stays ended."""
    tokens = torch.zeros(len(memory.tokens), 0, dtype=torch.long, device=memory.tokens.device)
    logits = memory.tokens.new_zeros(len(tokens), 0, decoder.bins + 1)
    for step in range(decoder.steps):
        logits = decoder(memory, tokens)
        chosen = logits[:, -1].argmax(-1)
        if step:
            chosen = chosen.masked_fill(tokens[:, -1] == decoder.end, decoder.end)
        tokens = torch.cat([tokens, chosen[:, None]], 1)
    return Generated(tokens, logits)


def attended(
    layer: Attention, queries_from: Tensor, keys: Tensor, values: Tensor, unseen: Tensor, bias: Tensor | None = None
) -> Tensor:
    """`Attention.forward` with materialised weights. Raises `NotImplementedError` for a bias: SeqTR has none."""
    if bias is not None:
        raise NotImplementedError("attention with a bias")
    q = split_heads(layer.to_q(queries_from), layer.heads)
    scores = (q * q.shape[-1] ** -0.5) @ keys.transpose(-2, -1)
    return layer.out(merge_heads(scores.masked_fill(unseen, float("-inf")).softmax(-1) @ values))


PLAIN = ((CoordinateDecoder, "generate", from_the_prefix), (Attention, "forward", attended))
"""(class, name of a method, its replacement)."""
