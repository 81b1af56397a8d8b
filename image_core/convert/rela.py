"""ReLA's release with Swin: detectron2's files of GRES.

Two errors of the release are kept, since its published results have them. Its code never loads `lang_weight`, the
weight of the words in a region, from a file: whatever was learned, it runs with 0. And regions attend to padding words,
so every expression is padded to its full length. Gates of the backbone that are all zero, as they stay in its training,
are left out: the result is the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from image_core.checkpoint import Provenance, save_model
from image_core.convert import fused_swin
from image_core.convert.options import ConvertOptions
from image_core.convert.state_dicts import (
    KeyTable,
    Rule,
    Shapes,
    load_weights,
    non_defaults,
    read_content,
    state_dict_of,
)
from image_core.encoders.gru import fixed_length
from image_core.encoders.word_pieces import bert_document
from image_core.errors import CheckpointError
from image_core.models.description import ModelConfig
from image_core.models.rela import RelaConfig
from image_core.models.table import build_model

NEVER_LOADED = "sem_seg_head.predictor.lang_weight"
"""The tensor that the release stores and does not load."""

_GATE = r"backbone\.layers\.\d+\.res_gate\.\d\.weight"
_PIXELS = r"sem_seg_head\.pixel_decoder\."
_REGIONS = r"sem_seg_head\.predictor\."


def _attention(theirs: str, kind: str, ours: str) -> tuple[Rule, ...]:
    """A multi-head attention whose projections are stacked, and the norm behind it."""
    return (
        (rf"{theirs}\.{kind}\.in_proj_(?P<last>weight|bias)", rf"{ours}.to_{{q,k,v}}.\g<last>"),
        (rf"{theirs}\.{kind}\.out_proj\.(?P<last>weight|bias)", rf"{ours}.out.\g<last>"),
        (rf"{theirs}\.norm\.(?P<last>weight|bias)", rf"{ours}_norm.\g<last>"),
    )


RELA = KeyTable(
    rules=(
        *fused_swin.SWIN,
        *fused_swin.BERT,
        (rf"{_PIXELS}input_proj\.(\d)\.(\d\..+)", r"pixels.project.\1.\2"),
        (rf"{_PIXELS}transformer\.level_embed", r"pixels.level_code"),
        *(
            (
                rf"{_PIXELS}transformer\.encoder\.layers\.(\d+)\.self_attn\.{theirs}\.(.+)",
                rf"pixels.layers.\1.attention.{ours}.\2",
            )
            for theirs, ours in (
                ("sampling_offsets", "offsets"),
                ("attention_weights", "weights"),
                ("value_proj", "values"),
                ("output_proj", "out"),
            )
        ),
        (rf"{_PIXELS}transformer\.encoder\.layers\.(\d+)\.(linear\d\..+)", r"pixels.layers.\1.feed_forward.\2"),
        (rf"{_PIXELS}transformer\.encoder\.layers\.(\d+)\.(norm\d\..+)", r"pixels.layers.\1.\2"),
        (rf"{_PIXELS}adapter_1\.weight", r"pixels.lateral.0.weight"),
        (rf"{_PIXELS}adapter_1\.norm\.(.+)", r"pixels.lateral.1.\1"),
        (rf"{_PIXELS}layer_1\.weight", r"pixels.smooth.0.weight"),
        (rf"{_PIXELS}layer_1\.norm\.(.+)", r"pixels.smooth.1.\1"),
        (rf"{_PIXELS}mask_features\.(.+)", r"pixels.features.\1"),
        (rf"{_REGIONS}query_feat\.weight", r"regions.start.weight"),
        (rf"{_REGIONS}query_embed\.weight", r"regions.place.weight"),
        (rf"{_REGIONS}level_embed\.weight", r"regions.level_code.weight"),
        (rf"{_REGIONS}lang_proj\.weight", r"regions.words.weight"),
        (rf"{_REGIONS}lang_weight", r"regions.layers.0.share"),
        *_attention(rf"{_REGIONS}RIA_layers\.(\d+)", "multihead_attn", r"regions.layers.\1.look"),
        *_attention(rf"{_REGIONS}RLA_lang_att", "multihead_attn", r"regions.layers.0.hear"),
        *_attention(rf"{_REGIONS}RLA_vision\.(\d+)", "self_attn", r"regions.layers.\1.relate"),
        (rf"{_REGIONS}transformer_ffn_layers\.(\d+)\.(linear\d\..+)", r"regions.layers.\1.feed_forward.\2"),
        (rf"{_REGIONS}transformer_ffn_layers\.(\d+)\.(norm\..+)", r"regions.layers.\1.\2"),
        (rf"{_REGIONS}decoder_norm\.(.+)", r"regions.norm.\1"),
        *((rf"{_REGIONS}mask_embed\.layers\.{i}\.(.+)", rf"regions.mask.{2 * i}.\1") for i in range(3)),
        *((rf"{_REGIONS}nt_embed\.layers\.{i}\.(.+)", rf"regions.absent.{2 * i}.\1") for i in range(2)),
        (rf"{_REGIONS}minimap_embed\.(.+)", r"regions.minimap.\1"),
    ),
    unused=fused_swin.UNUSED,
    resolve_path=fused_swin.resolve_path,
)
"""The release with a Swin backbone."""


def rela_description(
    state: Mapping[str, Tensor],
    max_words: int = fused_swin.MAX_WORDS,
    fusion_heads: tuple[int, ...] = (1, 1, 1, 1),
    heads: int | None = None,
) -> ModelConfig:
    """The model that the tensors belong to. heads: of the pixel decoder; None: as many as follow from 4 sampling points
    in each, as in every release.

    Raises `CheckpointError` when a tensor that determines a size is missing, or its shape is not possible.
    """
    shapes = Shapes(state, "ReLA checkpoint: expected GRES with a Swin backbone")
    pixels, regions = "sem_seg_head.pixel_decoder", "sem_seg_head.predictor"
    queries, channels = shapes.of(f"{regions}.query_feat.weight")
    side = math.isqrt(queries)
    if side * side != queries:
        raise CheckpointError(f"{shapes.expected}, got one with {queries} queries, which make no square of regions")
    sampling_weights = shapes.of(f"{pixels}.transformer.encoder.layers.0.self_attn.attention_weights.bias")[0]
    points = RelaConfig().points if heads is None else sampling_weights // (3 * heads)
    heads = sampling_weights // (3 * points) if points else 0
    if sampling_weights != 3 * heads * points:
        raise CheckpointError(
            f"{shapes.expected}, got one with {sampling_weights} places, which {heads} heads cannot share"
        )
    gates = [value for key, value in state.items() if re.fullmatch(_GATE, key)]
    config = {
        "minimap": side,
        "channels": channels,
        "heads": heads,
        "points": points,
        "pixel_layers": shapes.count(r"sem_seg_head\.pixel_decoder\.transformer\.encoder\.layers\.(\d+)\."),
        "pixel_hidden": shapes.of(f"{pixels}.transformer.encoder.layers.0.linear1.weight")[0],
        "region_layers": shapes.count(r"sem_seg_head\.predictor\.RIA_layers\.(\d+)\."),
        "region_hidden": shapes.of(f"{regions}.transformer_ffn_layers.0.linear1.weight")[0],
        "fusion_heads": fusion_heads,
        # A file without gates lacks them, which is an error later; gates that are all zero are left out.
        "fusion_gates": not gates or any(bool(v.any()) for v in gates if not v.is_meta),
        "reads_padding": True,
    }
    return ModelConfig(
        name="rela",
        vision=fused_swin.swin_config(shapes),
        text=fused_swin.bert_config(shapes),
        config=non_defaults(config, RelaConfig),
        max_words=max_words,
    )


def convert_rela(source: Path, out: Path, options: ConvertOptions) -> ModelConfig:
    """A checkpoint of GRES with Swin and BERT's vocabulary -> a model file of ours, for a side of 480 px or the one
    asked for.

    Raises `CheckpointError` or `DataError`.
    """
    content = read_content(source)
    state = state_dict_of(content, source) | fused_swin.separate_bert(content, source)
    max_words = options.max_words or fused_swin.MAX_WORDS
    spec = rela_description(state, max_words, fused_swin.stage_heads(options.fusion_heads, 1), options.heads)
    tokenizer = fixed_length(fused_swin.bert_tokenizer(source, options.vocabulary, state), max_words)
    state[NEVER_LOADED] = torch.zeros_like(state[NEVER_LOADED]) if NEVER_LOADED in state else torch.zeros(())
    if not spec.config.get("fusion_gates", True):
        state = {key: value for key, value in state.items() if not re.fullmatch(_GATE, key)}
    model = build_model(spec, tokenizer_json=bert_document(tokenizer, spec.text.options))
    load_weights(model, RELA.rename_keys(state, str(source)), str(source))
    preprocessing = replace(fused_swin.PREPROCESSING, size_px=options.size_px or fused_swin.PREPROCESSING.size_px)
    save_model(out, model, spec, preprocessing, Provenance(data=f"converted from ReLA's {source.name}"))
    return spec
