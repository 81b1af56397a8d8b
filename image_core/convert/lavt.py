"""LAVT's two releases: `lavt`, whose BERT lies beside the network in its file, and `lavt_one`, which holds it.

Read off the names and shapes of its tensors; its code is GPL-3.0 and was not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from image_core.checkpoint import Provenance, save_model
from image_core.convert import fused_swin
from image_core.convert.options import ConvertOptions
from image_core.convert.state_dicts import (
    KeyTable,
    Shapes,
    load_weights,
    non_defaults,
    read_content,
    state_dict_of,
    training_argument,
)
from image_core.encoders.word_pieces import bert_document
from image_core.errors import CheckpointError
from image_core.models.description import ModelConfig
from image_core.models.lavt import LavtConfig
from image_core.models.table import build_model

LAVT = KeyTable(
    rules=(
        *fused_swin.SWIN,
        *fused_swin.BERT,
        *(
            (rf"classifier\.{kind}{i + 1}_{4 - step}\.(.+)", rf"decoder.{step}.blocks.{i}.{part}.\1")
            for step in range(3)
            for i in range(2)
            for kind, part in (("conv", 0), ("bn", 1))
        ),
        (r"classifier\.conv1_1\.(.+)", r"classes.\1"),
    ),
    unused=fused_swin.UNUSED,
    resolve_path=fused_swin.resolve_path,
)
"""Both releases, with BERT as `text_encoder`."""


def lavt_description(
    state: Mapping[str, Tensor], max_words: int = fused_swin.MAX_WORDS, fusion_heads: tuple[int, ...] = (1, 1, 1, 1)
) -> ModelConfig:
    """The model that the tensors belong to. Raises `CheckpointError` when one that determines a size is missing."""
    shapes = Shapes(state, "LAVT checkpoint: expected lavt or lavt_one with its BERT")
    config = {"channels": shapes.of("classifier.conv1_1.weight")[1], "fusion_heads": fusion_heads}
    return ModelConfig(
        name="lavt",
        vision=fused_swin.swin_config(shapes),
        text=fused_swin.bert_config(shapes),
        config=non_defaults(config, LavtConfig),
        max_words=max_words,
    )


def convert_lavt(source: Path, out: Path, options: ConvertOptions) -> ModelConfig:
    """A checkpoint of `lavt` or `lavt_one` and BERT's vocabulary -> a model file of ours.

    Heads of the fusion and the side of images are those asked for, else those of the training's arguments in the
    file, else one and 480 px. Raises `CheckpointError` or `DataError`.
    """
    content = read_content(source)
    state = state_dict_of(content, source) | fused_swin.separate_bert(content, source)
    heads = _stored_heads(content, source)
    if options.fusion_heads is not None:
        given = fused_swin.stage_heads(options.fusion_heads, 1)
        if heads is not None and heads != given:
            raise CheckpointError(
                f"{source}: expected fusion_heads {heads}, which its own arguments say, got {given}: leave them out"
            )
        heads = given
    max_words = options.max_words or fused_swin.MAX_WORDS
    spec = lavt_description(state, max_words, heads or (1, 1, 1, 1))
    tokenizer = fused_swin.bert_tokenizer(source, options.vocabulary, state)
    model = build_model(spec, tokenizer_json=bert_document(tokenizer, spec.text.options))
    load_weights(model, LAVT.rename_keys(state, str(source)), str(source))
    preprocessing = replace(fused_swin.PREPROCESSING, size_px=_size_px(options, content, source))
    save_model(out, model, spec, preprocessing, Provenance(data=f"converted from LAVT's {source.name}"))
    return spec


def _size_px(options: ConvertOptions, content: Any, source: Path) -> int:
    """The side of the images: asked for, of the training's arguments (`img_size`), or as published."""
    stored = training_argument(content, "img_size")
    if stored is not None and (type(stored) is not int or stored < 1):
        raise CheckpointError(f"{source}: expected img_size as a number of pixels among its arguments, got {stored!r}")
    if None not in (stored, options.size_px) and stored != options.size_px:
        raise CheckpointError(
            f"{source}: expected size_px {stored}, which its own arguments say, got {options.size_px}: leave it out"
        )
    return options.size_px or stored or fused_swin.PREPROCESSING.size_px


def _stored_heads(content: Any, source: Path) -> tuple[int, int, int, int] | None:
    """The heads of the fusion that the arguments of the training name (`mha`, "a-b-c-d"), or None."""
    stored = training_argument(content, "mha")
    if not stored:
        return None
    parts = str(stored).split("-")
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        raise CheckpointError(f"{source}: expected mha as four numbers, a-b-c-d, among its arguments, got {stored!r}")
    a, b, c, d = map(int, parts)
    return a, b, c, d
