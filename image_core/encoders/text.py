"""Text encoders as an embedding and layers that can be stepped one by one.

Other libraries' masks (1 = keep) are turned into ours (True = padding) only in this file. transformers takes seconds to
import, so it is imported only to read published files and for CLIP. "small", and BERT and RoBERTa from our own
checkpoints, need no import.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor, nn

from image_core.encoders.bert import BertConfig, BertLayer, build_bert
from image_core.errors import CheckpointError, ConfigError, RvosError
from image_core.types import TextFeatures

_log = logging.getLogger(__name__)

SMALL_VOCABULARY = Path(__file__).parent / "small_vocabulary"

_SMALL = {"hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 256}

_PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "bert-base-uncased": ("bert", {}),
    "roberta-base": (
        "roberta",
        {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    ),
    "openai/clip-vit-base-patch32": ("clip_text_model", {}),
    "openai/clip-vit-large-patch14": (
        "clip_text_model",
        {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "projection_dim": 768},
    ),
}
"""Hub names whose configuration is known here: model type, and what differs from the defaults of its kind."""

_OF_BERT = ("bert", "roberta")
_MODELS = {"bert": "BertModel", "roberta": "RobertaModel", "clip_text_model": "CLIPTextModel"}
"""Model type of a published config -> the class of transformers that reads its weights."""


class Tokens(NamedTuple):
    """Word pieces of E expressions."""

    input_ids: Tensor  # (E, L) long
    word_pad_mask: Tensor  # (E, L) bool, True on padding, which is always at the end


class TextLayer(nn.Module):
    """One transformer layer with the same call for every family: `layer(hidden, word_pad_mask)`.

    In a causal layer word i attends to words 0..i only. `norm` follows the layer: where a family ends in a norm, its
    last layer gets it, so that running all layers gives the output of the whole encoder.
    """

    def __init__(self, layer: nn.Module, *, causal: bool, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.layer = layer
        self.norm = nn.Identity() if norm is None else norm
        self.causal = causal

    def forward(self, hidden: Tensor, word_pad_mask: Tensor) -> Tensor:
        """(E, L, C), (E, L) bool -> (E, L, C)."""
        return self.norm(self.layer(hidden, self._attention_mask(hidden, word_pad_mask)))

    def attend(self, hidden: Tensor, word_pad_mask: Tensor) -> Tensor:
        """SA(x), without the residual: (E, L, C), (E, L) bool -> (E, L, C).

        The layer is `feed_forward(x + attend(x))`, whichever side of the residual its norms are on.
        """
        mask = self._attention_mask(hidden, word_pad_mask)
        if isinstance(self.layer, BertLayer):
            return self.layer.attend(hidden, mask)
        layer: Any = self.layer  # CLIP's: norms before
        return layer.self_attn(hidden_states=layer.layer_norm1(hidden), attention_mask=mask)[0]

    def feed_forward(self, r: Tensor) -> Tensor:
        """What follows the self-attention's residual: (E, L, C) -> (E, L, C)."""
        if isinstance(self.layer, BertLayer):
            return self.norm(self.layer.feed_forward(r))
        layer: Any = self.layer
        return self.norm(r + layer.mlp(layer.layer_norm2(r)))

    def _attention_mask(self, hidden: Tensor, word_pad_mask: Tensor) -> Tensor:
        keep = ~word_pad_mask[:, None, None, :]
        if self.causal:
            length = hidden.shape[1]
            keep = keep & torch.ones(length, length, dtype=torch.bool, device=hidden.device).tril()
        return keep


class TextEncoder(nn.Module):
    """Expressions to `TextFeatures`: `embed(tokens)`, then each of `layers`, then `collect`; `forward` is all of them.

    Words are what the tokenizer makes of an expression, its special tokens included, as the published models have it
    ([CLS] and [SEP], <s> and </s>, start and end of text). The sentence is the vector of the first token for BERT and
    RoBERTa; for causal CLIP it is that of the last one, the end of text, which alone has seen every word.
    """

    def __init__(self, embeddings: nn.Module, layers: Sequence[TextLayer], tokenizer: Tokenizer, config: Any) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.layers = nn.ModuleList(layers)
        self.channels: int = config.hidden_size
        self.heads: int = config.num_attention_heads
        self._tokenizer = tokenizer
        self._config = config.to_dict()
        self._causal = layers[0].causal

    def tokenize(self, expressions: Sequence[str]) -> Tokens:
        """E expressions -> tokens on the device of the parameters, padded to the longest, cut to `max_words`."""
        if not expressions:
            raise ValueError("TextEncoder: expected at least one expression, got none")
        rows = self._tokenizer.encode_batch(list(expressions))
        device = next(self.parameters()).device
        input_ids = torch.tensor([row.ids for row in rows], device=device)
        keep = torch.tensor([row.attention_mask for row in rows], device=device)
        return Tokens(input_ids, keep == 0)

    def embed(self, tokens: Tokens) -> Tensor:
        """Tokens of E expressions -> (E, L, C)."""
        return self.embeddings(input_ids=tokens.input_ids)

    def collect(self, hidden: Tensor, tokens: Tokens) -> TextFeatures:
        """(E, L, C) after the last layer -> the features of E expressions."""
        if not self._causal:
            return TextFeatures(hidden, hidden[:, 0], tokens.word_pad_mask)
        last = (~tokens.word_pad_mask).sum(1) - 1
        return TextFeatures(hidden, hidden[torch.arange(len(hidden), device=hidden.device), last], tokens.word_pad_mask)

    def forward(self, expressions: Sequence[str]) -> TextFeatures:
        """E expressions -> words (E, L, C), sentence (E, C), padding mask (E, L)."""
        return self.encode(self.tokenize(expressions))

    def encode(self, tokens: Tokens) -> TextFeatures:
        """The rest of `forward`, given the tokens of E expressions."""
        hidden = self.embed(tokens)
        for layer in self.layers:
            hidden = layer(hidden, tokens.word_pad_mask)
        return self.collect(hidden, tokens)

    def tokenizer_json(self) -> str:
        """Tokenizer and architecture as one JSON text: `build_text_encoder(name, tokenizer_json=...)` rebuilds this
        encoder from it, weights excepted, on a machine that has neither hub nor folder."""
        return json.dumps({"config": self._config, "tokenizer": json.loads(self._tokenizer.to_str())})


def build_text_encoder(
    name: str,
    *,
    pretrained: bool = False,
    max_words: int = 20,
    options: Mapping[str, Any] | None = None,
    tokenizer_json: str | None = None,
) -> TextEncoder:
    """ "small" (ours, BERT-shaped, offline), a local folder, or a name on the hub: BERT, RoBERTa, or CLIP's text side.

    pretrained: weights from the folder or the hub, else random ones; max_words: tokens an expression may have, special
    ones included; options: fields of `BertConfig` (of CLIP: of its transformers config), over its own; tokenizer_json:
    the tokenizer of a checkpoint, whose weights are filled in later: nothing else is read then.

    "bert-base-uncased", "roberta-base", "openai/clip-vit-base-patch32" and "openai/clip-vit-large-patch14" with random
    weights need no hub: they get their real sizes and the small vocabulary, and a warning says so.

    Raises `ConfigError` for an option or a model type that does not fit, `CheckpointError` for weights that do not,
    `RvosError` when the hub cannot be reached or the folder lacks a file.
    """
    if max_words < 3:
        raise ConfigError(f"max_words: expected at least 3 (a first token, a word and a last token), got {max_words}")
    source = None
    if tokenizer_json is not None:
        document = json.loads(tokenizer_json)
        tokenizer = Tokenizer.from_str(json.dumps(document["tokenizer"]))
        config = _config(**document["config"])
    elif name == "small":
        if pretrained:
            raise ConfigError(
                "text encoder 'small': expected no pretrained, as it has no published weights, got it: leave it out"
            )
        tokenizer = small_tokenizer()
        config = _config("bert", vocab_size=tokenizer.get_vocab_size(), **_SMALL)
    elif name in _PUBLISHED and not pretrained and not Path(name).is_dir():
        tokenizer = small_tokenizer()
        model_type, differing = _PUBLISHED[name]
        config = _config(model_type, **differing, pad_token_id=tokenizer.token_to_id("[PAD]"))
        _log.warning("text encoder '%s': random weights, and the small vocabulary in place of its own", name)
    else:
        source = name if pretrained else None
        config = _read_config(name)
        tokenizer = _read_tokenizer(name)
    config = _with_options(config, options or {})
    tokenizer.enable_truncation(max_words)
    if isinstance(config, BertConfig):
        return _assemble_bert(config, source, tokenizer)
    return _assemble_clip(_read_model(config, source) if source else _random_clip(config), tokenizer, config)


def small_tokenizer() -> Tokenizer:
    """The word pieces that come with the package, padded at the end."""
    tokenizer = Tokenizer.from_file(str(SMALL_VOCABULARY / "tokenizer.json"))
    tokenizer.enable_padding(direction="right", pad_id=tokenizer.token_to_id("[PAD]"), pad_token="[PAD]")
    return tokenizer


def _config(model_type: str, **fields: Any) -> Any:
    if model_type in _OF_BERT:
        return BertConfig.from_published({"model_type": model_type, **fields})
    from transformers import AutoConfig

    return AutoConfig.for_model(model_type, **fields)


def _read_config(source: str) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise _unreadable(source, "config", error) from error
    config = config.text_config if config.model_type == "clip" else config
    if config.model_type not in _MODELS:
        raise ConfigError(
            f"text encoder '{source}': expected a model of type bert, roberta or clip, got '{config.model_type}'"
        )
    return BertConfig.from_published(config.to_dict()) if config.model_type in _OF_BERT else config


def _read_tokenizer(source: str) -> Tokenizer:
    """The tokenizer of a folder or hub name, set to pad at the end. Padding travels in its serialised form."""
    from transformers import AutoTokenizer

    try:
        wrapped = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise _unreadable(source, "tokenizer", error) from error
    tokenizer = wrapped.backend_tokenizer
    tokenizer.enable_padding(direction="right", pad_id=wrapped.pad_token_id, pad_token=wrapped.pad_token)
    return tokenizer


def _unreadable(source: str, what: str, error: Exception) -> RvosError:
    fix = (
        "complete the folder" if Path(source).is_dir() else "connect to the network, or give a local folder or 'small'"
    )
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return RvosError(f"text encoder '{source}': its {what} could not be read ({first}): {fix}")


def _with_options(config: Any, options: Mapping[str, Any]) -> Any:
    defaults = config.to_dict()
    unknown = [key for key in options if key not in defaults]
    if unknown:
        raise ConfigError(f"text encoder options: expected fields of {type(config).__name__}, got {unknown}")
    if isinstance(config, BertConfig):
        return replace(config, **options)
    for key, value in options.items():
        setattr(config, key, value)
    return config


def _random_clip(config: Any) -> Any:
    from transformers import CLIPTextModel

    return CLIPTextModel._from_config(config, attn_implementation="sdpa")


def _read_model(config: Any, source: str) -> Any:
    """The transformers model with every weight that it has here found in `source`."""
    import transformers

    kind: Any = getattr(transformers, _MODELS[config.model_type])
    bert = isinstance(config, BertConfig)
    # Of BERT transformers reads the configuration once more: it has fields that are none of ours, of the pooler say.
    settings = {"add_pooling_layer": False, **asdict(config)} if bert else {"config": config}
    settings.pop("model_type", None)
    try:
        model, info = kind.from_pretrained(
            source,
            attn_implementation="sdpa",
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, with the missing weights
            **settings,
        )
    except OSError as error:
        raise _unreadable(source, "weights", error) from error
    except SafetensorError as error:
        raise CheckpointError(
            f"text encoder '{source}': its weights cannot be read, are they whole? ({error})"
        ) from error
    missing = sorted(info["missing_keys"])
    differing = sorted(f"{key} {tuple(stored)} for {tuple(own)}" for key, stored, own in info["mismatched_keys"])
    if missing or differing:
        raise CheckpointError(
            f"text encoder '{source}': weights do not fit: {len(missing)} missing ({', '.join(missing[:5])}), "
            f"{len(differing)} of another shape ({', '.join(differing[:5])})"
        )
    return model.train()


def _assemble_bert(config: BertConfig, source: str | None, tokenizer: Tokenizer) -> TextEncoder:
    embeddings, blocks = build_bert(config)
    if source is not None:
        read = _read_model(config, source)
        embeddings.load_state_dict(read.embeddings.state_dict())
        for block, layer in zip(blocks, read.encoder.layer, strict=True):
            block.load_state_dict(layer.state_dict())
    return TextEncoder(embeddings, [TextLayer(block, causal=False) for block in blocks], tokenizer, config)


def _assemble_clip(model: Any, tokenizer: Tokenizer, config: Any) -> TextEncoder:
    blocks = list(model.encoder.layers)
    norms = [None] * (len(blocks) - 1) + [model.final_layer_norm]
    layers = [TextLayer(block, causal=True, norm=norm) for block, norm in zip(blocks, norms, strict=True)]
    return TextEncoder(model.embeddings, layers, tokenizer, config)
