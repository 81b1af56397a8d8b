"""BERT's and RoBERTa's encoder (Devlin et al., NAACL 2019; Liu et al., 2019), whose layers can be stepped and cut.

It is implemented here because transformers takes three seconds to import, too long for segmenting a single image.
Modules, and so the keys of weights, have the names of the published checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from image_core.errors import ConfigError

_REQUIRED_VALUES = {
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}
"""The only values that a published configuration may have for these keys."""


@dataclass(frozen=True)
class BertConfig:
    """Sizes of the encoder, named as in a published config.json. Raises `ConfigError` for sizes that cannot be."""

    model_type: str = "bert"  # or roberta, which counts positions from `pad_token_id` + 1
    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072  # width inside of a feed-forward part
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512  # most word pieces of an expression; two fewer for roberta
    type_vocab_size: int = 2  # token types; all words of an expression have the first
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02  # standard deviation of random weights
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        if self.num_attention_heads < 1 or self.hidden_size % self.num_attention_heads:
            raise ConfigError(
                f"text encoder: expected hidden_size to divide by num_attention_heads, got {self.hidden_size} and "
                f"{self.num_attention_heads}"
            )

    @classmethod
    def from_published(cls, values: Mapping[str, Any]) -> BertConfig:
        """From the content of a config.json, whose other keys are ignored. Raises `ConfigError` for a variant of the
        architecture that is not supported."""
        for key, required in _REQUIRED_VALUES.items():
            if values.get(key, required) != required:
                raise ConfigError(f"text encoder: expected {key} {required!r}, got {values[key]!r}: take another model")
        field_names = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in field_names})

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `from_published` gives an equal object back."""
        return asdict(self)


class BertEmbeddings(nn.Module):
    """Input embeddings: layer norm of the sum of word piece, position and first token type."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self._first = config.pad_token_id + 1 if config.model_type == "roberta" else 0

    def forward(self, input_ids: Tensor) -> Tensor:
        """(E, L) long -> (E, L, C). Padding must be at the end: positions are counted from the start."""
        positions = torch.arange(self._first, self._first + input_ids.shape[1], device=input_ids.device)
        segment = self.token_type_embeddings(torch.zeros_like(positions))
        summed = self.word_embeddings(input_ids) + segment + self.position_embeddings(positions)
        return self.dropout(self.LayerNorm(summed))


class _Projection(nn.Module):
    """The end of a sublayer: a projection to the layer's width, and the layer norm that follows the residual sum."""

    def __init__(self, inputs: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., C), without the norm."""
        return self.dropout(self.dense(x))


class _Attention(nn.Module):
    """Multi-head self-attention, without residual and norm."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.self = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")})
        self.output = _Projection(width, config)
        self._heads = config.num_attention_heads
        self._dropout = config.attention_probs_dropout_prob

    def forward(self, hidden: Tensor, keep: Tensor) -> Tensor:
        """As `BertLayer.attend`."""
        parts = self.self.values()
        query, key, value = (part(hidden).unflatten(-1, (self._heads, -1)).transpose(1, 2) for part in parts)
        dropout = self._dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=keep, dropout_p=dropout)
        return self.output(attended.transpose(1, 2).flatten(2))


class BertLayer(nn.Module):
    """x <- LN(r + FFN(r)) with r = LN(x + SA(x))."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.intermediate = nn.Sequential(OrderedDict(dense=nn.Linear(config.hidden_size, config.intermediate_size)))
        self.output = _Projection(config.intermediate_size, config)

    def forward(self, hidden: Tensor, keep: Tensor) -> Tensor:
        """(E, L, C), and a bool mask that broadcasts to (E, heads, L, L), True where a word is seen -> (E, L, C)."""
        return self.feed_forward(hidden + self.attend(hidden, keep))

    def attend(self, hidden: Tensor, keep: Tensor) -> Tensor:
        """SA(x), without the residual."""
        return self.attention(hidden, keep)

    def feed_forward(self, r: Tensor) -> Tensor:
        """What follows the residual of the self-attention: (E, L, C) -> (E, L, C)."""
        x = self.attention.output.LayerNorm(r)
        return self.output.LayerNorm(self.output(F.gelu(self.intermediate(x))) + x)


def build_bert(config: BertConfig) -> tuple[BertEmbeddings, list[BertLayer]]:
    """Embeddings and layers with random weights, initialised as the published models were."""
    embeddings, layers = BertEmbeddings(config), [BertLayer(config) for _ in range(config.num_hidden_layers)]
    for module in nn.ModuleList([embeddings, *layers]).modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=config.initializer_range)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding) and module.padding_idx is not None:
            with torch.no_grad():
                module.weight[module.padding_idx].zero_()
    return embeddings, layers
