"""CGFormer's release, BERT inside: `model_state_dict` of its checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from image_core.checkpoint import Provenance, save_model
from image_core.convert import fused_swin
from image_core.convert.options import ConvertOptions
from image_core.convert.state_dicts import KeyTable, Shapes, load_weights, non_defaults, read_content, state_dict_of
from image_core.encoders.word_pieces import bert_document
from image_core.models.cgformer import CGFormerConfig
from image_core.models.description import ModelConfig
from image_core.models.table import build_model

FUSION_HEADS = 8
"""Heads of the fusion in every stage, as in the release's training."""

CGFORMER = KeyTable(
    rules=(
        *fused_swin.SWIN,
        *fused_swin.BERT,
        (r"decoder\.tokens\.weight", r"tokens"),
        (r"decoder\.layers\.(\d)\.positional_embedding", r"positions.\1.table"),
        (r"decoder\.layers\.(\d)\.loadtoken\.cross_attn\.([qkv])_proj\.(.+)", r"loads.\1.to_\2.\3"),
        (r"decoder\.layers\.(\d)\.loadtoken\.cross_attn\.proj\.(.+)", r"loads.\1.out.\2"),
        (r"decoder\.layers\.(\d)\.loadtoken\.normq\.(.+)", r"loads.\1.norm_tokens.\2"),
        (r"decoder\.layers\.(\d)\.loadtoken\.normk\.(.+)", r"loads.\1.norm_words.\2"),
        (r"decoder\.layers\.(\d)\.((?:norm|mlp)\..+)", r"loads.\1.\2"),
        *(
            rule
            for i in (0, 1)
            for rule in (
                (rf"decoder\.cgattention{i + 1}\.norm_v\.(.+)", rf"groups.{i}.norm_cells.\1"),
                (rf"decoder\.cgattention{i + 1}\.norm_t\.(.+)", rf"groups.{i}.norm_tokens.\1"),
                (rf"decoder\.cgattention{i + 1}\.([qkv])_proj\.(.+)", rf"groups.{i}.to_\1.\2"),
                (rf"decoder\.cgattention{i + 1}\.proj\.(.+)", rf"groups.{i}.out.\1"),
                (rf"decoder\.cgattention{i + 1}\.((?:norm|mlp)\..+)", rf"groups.{i}.\1"),
                (rf"decoder\.cgattention{i + 1}\.tau", rf"groups.{i}.log_temperature"),
            )
        ),
        *(
            (rf"decoder\.fuses\.(\d)\.fusion\.{theirs}\.(.+)", rf"fuses.\1.blocks.{ours}.\2")
            for theirs, ours in ((0, "0.0"), (1, "0.1"), (3, "1.0"), (4, "1.1"))
        ),
        *(
            (rf"decoder\.proj\.vis\.{theirs}\.{i}\.(.+)", rf"head.{ours}.{part}.\1")
            for theirs, ours in ((1, "first"), (3, "second"))
            for i, part in ((0, "conv"), (1, "norm"))
        ),
        (r"decoder\.proj\.vis\.4\.(.+)", r"head.project.\1<linear>"),
        (r"decoder\.proj\.txt\.(.+)", r"head.kernel.\1"),
    ),
    unused=(*fused_swin.UNUSED, r"decoder\.layers\.\d\.loadtoken\.(?:norm|mlp)\..+"),
    resolve_path=fused_swin.resolve_path,
)


def cgformer_description(
    state: Mapping[str, Tensor],
    max_words: int = fused_swin.MAX_WORDS,
    fusion_heads: tuple[int, ...] = (FUSION_HEADS,) * 4,
) -> ModelConfig:
    """The model that the tensors belong to: tokens, width, and the image its tables of positions are for.

    Raises `CheckpointError` when a tensor that determines a size is missing.
    """
    shapes = Shapes(state, "CGFormer checkpoint: expected the network with its BERT")
    tokens, channels = shapes.of("decoder.tokens.weight")
    config = {
        "channels": channels,
        "tokens": 0 if tokens == 2 else tokens,
        "table_px": 16 * math.isqrt(shapes.of("decoder.layers.0.positional_embedding")[0]),
        "fusion_heads": fusion_heads,
    }
    return ModelConfig(
        name="cgformer",
        vision=fused_swin.swin_config(shapes),
        text=fused_swin.bert_config(shapes),
        config=non_defaults(config, CGFormerConfig),
        max_words=max_words,
    )


def convert_cgformer(source: Path, out: Path, options: ConvertOptions) -> ModelConfig:
    """A checkpoint of CGFormer and BERT's vocabulary -> a model file of ours, for images of the side asked for, else
    of the one that its tables of positions are for (480 px as published).

    Heads of the fusion are those asked for, else 8. Raises `CheckpointError`, `ConfigError` or `DataError`.
    """
    content = read_content(source)
    state = state_dict_of(content, source) | fused_swin.separate_bert(content, source)
    heads = fused_swin.stage_heads(options.fusion_heads, FUSION_HEADS)
    spec = cgformer_description(state, options.max_words or fused_swin.MAX_WORDS, heads)
    tokenizer = fused_swin.bert_tokenizer(source, options.vocabulary, state)
    model = build_model(spec, tokenizer_json=bert_document(tokenizer, spec.text.options))
    load_weights(model, CGFORMER.rename_keys(state, str(source)), str(source))
    side = options.size_px or spec.config.get("table_px", CGFormerConfig.table_px)
    preprocessing = replace(fused_swin.PREPROCESSING, size_px=side)
    save_model(out, model, spec, preprocessing, Provenance(data=f"converted from CGFormer's {source.name}"))
    return spec
