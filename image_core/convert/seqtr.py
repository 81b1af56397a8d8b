"""SeqTR's release, single task."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from image_core.checkpoint import Provenance, save_model
from image_core.convert.options import ConvertOptions
from image_core.convert.state_dicts import (
    KeyTable,
    Rule,
    Shapes,
    load_weights,
    non_defaults,
    read_state_dict,
)
from image_core.data.annotation_files import read_json, read_plain_pickle
from image_core.encoders.darknet import LEVEL_ENDS, darknet53
from image_core.encoders.gru import GruConfig, GruTextEncoder, fixed_length, word_tokenizer
from image_core.errors import CheckpointError, DataError
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.seqtr import SeqTRConfig
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing

_WORD_VECTORS = "lan_enc.embedding.weight"
MAX_WORDS = 15
"""Tokens that an expression had in training; 20 for RefCOCOg."""

_ATTENTION: tuple[Rule, ...] = tuple(
    (rf"head\.transformer\.(encoder|decoder)\.layers\.(\d+)\.{theirs}\.{key}", rf"\1.layers.\2.{ours}.{mine}")
    for theirs, ours in (("self_attn", "self_attention"), ("multihead_attn", "cross_attention"))
    for key, mine in (
        (r"in_proj_(weight|bias)", r"to_{q,k,v}.\3"),
        (r"out_proj\.(weight|bias)", r"out.\3"),
    )
)

_RULES: tuple[Rule, ...] = (
    (r"vis_enc\.darknet\.(\d+)\.(.+)", r"vision.<\1>.\1.\2"),
    (r"lan_enc\.embedding\.weight", r"text.embedding.weight"),
    (r"lan_enc\.lstm\.(.+)", r"text.gru.\1"),
    (r"fusion\.down_bot2mid\.1\.(.+)", r"fusion.fine_down.\1"),
    (r"fusion\.down_mid2top\.1\.(.+)", r"fusion.middle_down.\1"),
    (r"fusion\.top_project\.(\d)\.(.+)", r"fusion.project.\1.\2"),
    (r"head\.transformer\.input_proj\.conv\.(.+)", r"to_tokens.0.\1"),
    (r"head\.transformer\.input_proj\.gn\.(.+)", r"to_tokens.1.\1"),
    *_ATTENTION,
    (
        r"head\.transformer\.(encoder|decoder)\.layers\.(\d+)\.(linear\d)\.(.+)",
        r"\1.layers.\2.feed_forward.\3.\4",
    ),
    (r"head\.transformer\.(encoder|decoder)\.layers\.(\d+)\.(norm\d\..+)", r"\1.layers.\2.\3"),
    (r"head\.transformer\.decoder\.norm\.(.+)", r"decoder.norm.\1"),
    (r"head\.transformer\.query_embedding\.weight", r"decoder.embedding.weight"),
    (r"head\.transformer\.seq_positional_encoding\.embedding\.weight", r"decoder.position.weight"),
    (r"head\.predictor\.0\.fc\.(.+)", r"decoder.head.0.\1"),
    (r"head\.predictor\.1\.fc\.(.+)", r"decoder.head.2.\1"),
    (r"head\.predictor\.2\.fc\.(.+)", r"decoder.head.4.\1"),
)
"""Encoder layers are a plain list in our model, and `<i>` is the part that has module i."""


def _resolve_path(name: str) -> str:
    """Encoder layers are a plain list in our model; a DarkNet module is in the stem or a stage, by its number."""
    name = re.sub(r"^encoder\.layers\.", "encoder.", name)

    def part(match: re.Match[str]) -> str:
        level = sum(int(match[1]) > end for end in LEVEL_ENDS)
        return "stem" if level == 0 else f"stages.{level - 1}"

    return re.sub(r"<(\d+)>", part, name)


SEQTR = KeyTable(_RULES, resolve_path=_resolve_path)


def seqtr_description(state: Mapping[str, Tensor], max_words: int = MAX_WORDS) -> ModelConfig:
    """The model that SeqTR's published tensors belong to, from their shapes; 8 heads, which the shapes do not
    determine.

    Only what differs from the published sizes is set, so that it equals a configuration with the same settings.
    Raises `CheckpointError` when a tensor that determines a size is missing, and for a model of boxes.
    """
    shapes = Shapes(state, "SeqTR checkpoint: expected a segmentation model with its encoders")
    shape, count = shapes.of, shapes.count
    tokens, channels = shape("head.transformer.query_embedding.weight")
    embedding = shape(_WORD_VECTORS)[1]
    positions = shape("head.transformer.seq_positional_encoding.embedding.weight")[0]
    if positions % 2 == 0 or positions <= 5:  # 4 numbers of a box and the end
        raise CheckpointError(
            f"{shapes.expected}, got one of {positions} places: contours have 7 or more, an odd number"
        )
    hidden = shape("lan_enc.lstm.weight_hh_l0")[1]
    width = shape("vis_enc.darknet.0.conv.weight")[0]
    vision = {
        "width": width,
        "blocks": tuple(count(rf"vis_enc\.darknet\.{i}\.module_list\.(\d+)\.") for i in (2, 4, 6, 8, 10)),
    }
    config = {
        "fusion_channels": shape("fusion.top_project.1.conv.weight")[0],
        "channels": channels,
        "hidden": shape("head.transformer.decoder.layers.0.linear1.weight")[0],
        "encoder_layers": count(r"head\.transformer\.encoder\.layers\.(\d+)\."),
        "decoder_layers": count(r"head\.transformer\.decoder\.layers\.(\d+)\."),
        "bins": tokens - 1,
        "points": positions // 2,
        "bin_offset": 0.0,
    }
    return ModelConfig(
        name="seqtr",
        vision=EncoderConfig("darknet53", options=non_defaults(vision, darknet53)),
        text=EncoderConfig("gru", options=non_defaults({"embedding": embedding, "hidden": hidden}, GruConfig)),
        config=non_defaults(config, SeqTRConfig),
        max_words=max_words,
    )


def convert_seqtr(
    source: Path,
    out: Path,
    options: ConvertOptions,
    *,
    table: KeyTable = SEQTR,
    description: Callable[[Mapping[str, Tensor], int], ModelConfig] = seqtr_description,
) -> ModelConfig:
    """A segmentation checkpoint of SeqTR's family and its vocabulary -> a model file of ours, for the longer side asked
    for, else 640 px. Word vectors lie in it, or in word_emb.npz beside it.

    The vocabulary is the release's token_to_ix, a pickle or JSON of word -> row, with PAD and UNK. Raises
    `CheckpointError` or `DataError`.
    """
    max_words = options.max_words or MAX_WORDS
    state = with_word_vectors(read_state_dict(source), source)
    vocabulary = options.vocabulary or next(
        (path for path in (source.with_name(f"token_to_ix.{kind}") for kind in ("pkl", "json")) if path.is_file()), None
    )
    if vocabulary is None:
        raise DataError(f"{source}: no token_to_ix.pkl or .json beside it; put it there, or name it (--vocabulary)")
    spec = description(state, max_words)
    if options.heads is not None:
        spec = replace(spec, config={**spec.config, **non_defaults({"heads": options.heads}, SeqTRConfig)})
    words = _vocabulary(vocabulary, state[_WORD_VECTORS].shape[0])
    text_options = cast(dict[str, Any], spec.text.options)
    text = GruTextEncoder(
        GruConfig(vocabulary=state[_WORD_VECTORS].shape[0], **text_options),
        fixed_length(word_tokenizer(words), max_words),
    )
    model = build_model(spec, tokenizer_json=text.tokenizer_json())
    load_weights(model, table.rename_keys(state, str(source)), str(source))
    preprocessing = Preprocessing(
        options.size_px or 640, "keep_ratio", 32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), pixel_scale=1.0
    )
    provenance = Provenance(data=f"converted from {spec.name}'s {source.name}", words=tuple(sorted(words)))
    save_model(out, model, spec, preprocessing, provenance)
    return spec


def with_word_vectors(state: dict[str, Tensor], source: Path) -> dict[str, Tensor]:
    """The tensors with their word vectors: those of word_emb.npz beside the checkpoint, where it has none of its own.

    Raises `DataError` for an archive that does not hold one table.
    """
    path = source.with_name("word_emb.npz")
    if _WORD_VECTORS in state or not path.is_file():
        return state
    try:
        with np.load(path, allow_pickle=False) as archive:
            tables = [archive[name] for name in archive.files]
    except (OSError, ValueError, BadZipFile) as error:
        raise DataError(f"{path}: expected an archive of numpy, got a file that cannot be read ({error})") from error
    if len(tables) != 1 or tables[0].ndim != 2:
        shapes = [table.shape for table in tables]
        raise DataError(f"{path}: expected one table of word vectors, a row each, got arrays of shapes {shapes}")
    return state | {_WORD_VECTORS: torch.from_numpy(tables[0].astype(np.float32))}


def _vocabulary(path: Path, rows: int) -> dict[str, int]:
    words = read_json(path) if path.suffix == ".json" else read_plain_pickle(path)
    if not isinstance(words, dict) or not {"PAD", "UNK"} <= words.keys():
        raise DataError(f"{path}: expected word -> row with PAD and UNK among the words, got {type(words).__name__}")
    if not all(type(row) is int for row in words.values()) or sorted(words.values()) != list(range(rows)):
        raise DataError(f"{path}: expected {rows} words, one for each of the checkpoint's rows, got {len(words)}")
    return {str(word): int(row) for word, row in words.items()}
