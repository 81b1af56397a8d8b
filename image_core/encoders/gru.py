"""A recurrent text encoder: word vectors and a bidirectional GRU, the sentence is the maximum over its words.

SeqTR's language side (ECCV 2022): GloVe vectors of 300 numbers, one GRU layer of 512 a direction. The published files
were made with a fixed number of tokens an expression, and their backward GRU reads the padding first. So does this one:
every expression is padded to `max_words`, whatever stands beside it in the batch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from torch import nn

from image_core.encoders.text import Tokens, small_tokenizer
from image_core.errors import ConfigError
from image_core.types import TextFeatures


@dataclass(frozen=True)
class GruConfig:
    """Sizes of the encoder."""

    vocabulary: int  # rows of the word table
    embedding: int = 300  # numbers of a word vector
    hidden: int = 512  # width of each direction

    def __post_init__(self) -> None:
        if min(self.vocabulary, self.embedding, self.hidden) < 1:
            raise ValueError(f"GruConfig: expected positive sizes, got {self}")


class GruTextEncoder(nn.Module):
    """Expressions -> `TextFeatures`: words (E, max_words, 2 hidden), sentence = maximum over the words, (E, 2 hidden).

    The tokenizer pads and cuts to a fixed length; its padding token marks what is no word.
    """

    def __init__(self, config: GruConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.config = config
        self.channels = 2 * config.hidden
        self.embedding = nn.Embedding(config.vocabulary, config.embedding)
        self.gru = nn.GRU(config.embedding, config.hidden, batch_first=True, bidirectional=True)
        self._tokenizer = tokenizer

    def forward(self, expressions: Sequence[str]) -> TextFeatures:
        """E expressions -> their features."""
        return self.encode(self.tokenize(expressions))

    def tokenize(self, expressions: Sequence[str]) -> Tokens:
        """E expressions -> tokens on the device of the parameters, `max_words` each."""
        if not expressions:
            raise ValueError("GruTextEncoder: expected at least one expression, got none")
        rows = self._tokenizer.encode_batch(list(expressions))
        device = self.embedding.weight.device
        input_ids = torch.tensor([row.ids for row in rows], device=device)
        return Tokens(input_ids, torch.tensor([row.attention_mask for row in rows], device=device) == 0)

    def encode(self, tokens: Tokens) -> TextFeatures:
        """The rest of `forward`, given the tokens of E expressions."""
        words, _ = self.gru(self.embedding(tokens.input_ids))
        # An expression of no known letter still has one token, its padding.
        first = torch.arange(words.shape[1], device=words.device) == 0
        word_pad_mask = tokens.word_pad_mask & ~first
        sentence = words.masked_fill(word_pad_mask[..., None], float("-inf")).amax(1)
        return TextFeatures(words, sentence, word_pad_mask)

    def tokenizer_json(self) -> str:
        """Tokenizer and sizes as one JSON text, from which `build_gru_encoder` rebuilds the encoder without weights."""
        return json.dumps({"gru": asdict(self.config), "tokenizer": json.loads(self._tokenizer.to_str())})


def fixed_length(tokenizer: Tokenizer, max_words: int) -> Tokenizer:
    """The tokenizer, set to give `max_words` tokens an expression; it must know its padding already."""
    padding = dict(tokenizer.padding or {})
    tokenizer.enable_padding(
        direction="right", pad_id=padding["pad_id"], pad_token=padding["pad_token"], length=max_words
    )
    tokenizer.enable_truncation(max_words)
    return tokenizer


def word_tokenizer(vocabulary: Mapping[str, int]) -> Tokenizer:
    """SeqTR's way to tokens: lower case, .,'!?\"()*#:; dropped, - and / as spaces, whole words, UNK for others.

    vocabulary: word -> row, with PAD and UNK among them.
    """
    tokenizer = Tokenizer(WordLevel(dict(vocabulary), unk_token="UNK"))
    tokenizer.normalizer = normalizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[.,'!?\"()*#:;]"), ""),
            normalizers.Replace(Regex(r"[-/]"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.enable_padding(direction="right", pad_id=vocabulary["PAD"], pad_token="PAD")
    return tokenizer


def build_gru_encoder(
    *, max_words: int = 20, options: Mapping[str, Any] | None = None, tokenizer_json: str | None = None
) -> GruTextEncoder:
    """The encoder with random weights over the word pieces that come with the package, or over those of a checkpoint.

    options: fields of `GruConfig` but `vocabulary`; not read with `tokenizer_json`. Raises `ConfigError` for others.
    """
    if tokenizer_json is not None:
        document = json.loads(tokenizer_json)
        tokenizer = Tokenizer.from_str(json.dumps(document["tokenizer"]))
        return GruTextEncoder(GruConfig(**document["gru"]), fixed_length(tokenizer, max_words))
    tokenizer = small_tokenizer()
    try:
        config = GruConfig(vocabulary=tokenizer.get_vocab_size(), **(options or {}))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"text encoder 'gru': options {dict(options or {})} cannot be used: {error}") from error
    return GruTextEncoder(config, fixed_length(tokenizer, max_words))
