"""What the releases of LAVT, CGFormer and ReLA share: Swin with pixel-word attention inside, and BERT.

Window, heads and sizes of Swin follow from the shapes of its tables (a window is a square); the heads of the attention
inside the backbone do not. BERT's heads are 64 channels wide, as in all its releases.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch import Tensor

from image_core.convert.state_dicts import Rule, Shapes, state_dict_of
from image_core.encoders.word_pieces import read_word_pieces
from image_core.errors import CheckpointError, ConfigError, DataError
from image_core.models.description import EncoderConfig
from image_core.preprocessing import Preprocessing

MAX_WORDS = 20
"""Tokens that an expression had in training, [CLS] and [SEP] among them."""

PREPROCESSING = Preprocessing(480, "squash", 32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""All three squash an image to 480 x 480 and use ImageNet's mean and deviation."""

BERT_HEAD_CHANNELS = 64
"""Channels of a head in every release of BERT."""

SWIN: tuple[Rule, ...] = (
    (r"backbone\.patch_embed\.(.+)", r"vision.stem.0.\1"),
    (r"backbone\.layers\.(\d+)\.(blocks\..+)", r"vision.<\1>.\2"),
    (r"backbone\.layers\.(\d+)\.(downsample\..+)", r"vision.<\1+1>.\2"),
    *(
        (
            rf"backbone\.layers\.(\d+)\.(?:pwam_)?fusion\.{theirs}\.0\.(weight|bias)",
            rf"fusion.attention.\1.{ours}.\2<linear>",
        )
        for theirs, ours in (
            ("vis_project", "pixels"),
            (r"image_lang_att\.f_query", "query"),
            (r"image_lang_att\.f_key", "key"),
            (r"image_lang_att\.f_value", "value"),
            (r"image_lang_att\.W", "out"),
            ("project_mm", "mix"),
        )
    ),
    (r"backbone\.layers\.(\d+)\.(?:res|pwam)_gate\.0\.weight", r"fusion.gates.\1.first.weight"),
    (r"backbone\.layers\.(\d+)\.(?:res|pwam)_gate\.2\.weight", r"fusion.gates.\1.second.weight"),
    (r"backbone\.norm(\d)\.(.+)", r"fusion.norms.\1.\2"),
)
"""`<i>` is the part of our encoder that holds stage i; patches are merged at the beginning of a stage in it."""

BERT: tuple[Rule, ...] = (
    (r"text_encoder\.embeddings\.(.+)", r"text.embeddings.\1"),
    (r"text_encoder\.encoder\.layer\.(\d+)\.(.+)", r"text.layers.\1.layer.\2"),
)

UNUSED = (
    r"backbone\.layers\.\d+\.blocks\.\d+\.attn\.relative_position_index",
    r"backbone\.layers\.\d+\.blocks\.\d+\.attn_mask",
    r"backbone\.layers\.3\.(?:res|pwam)_gate\.\d\.weight",  # its result is not used
    r"text_encoder\.embeddings\.(?:position|token_type)_ids",
    r"text_encoder\.pooler\..+",
)
"""Tables that are recomputed, and weights that the releases store and never use."""


def resolve_path(name: str) -> str:
    """The first stage of Swin is in our stem, after the patch embedding; the others are stages by themselves."""

    def part(match: re.Match[str]) -> str:
        stage = int(match[1]) + bool(match[2])
        return "stem.1" if stage == 0 else f"stages.{stage - 1}.0"

    return re.sub(r"<(\d+)(\+1)?>", part, name)


def swin_config(shapes: Shapes, drop_path: float = 0.3) -> EncoderConfig:
    """The Swin that the tensors belong to, as an option of timm's. Raises `CheckpointError`."""
    depths, heads, windows = [], [], set()
    for stage in range(4):
        depths.append(shapes.count(rf"backbone\.layers\.{stage}\.blocks\.(\d+)\."))
        table, own_heads = shapes.of(f"backbone.layers.{stage}.blocks.0.attn.relative_position_bias_table")
        heads.append(own_heads)
        windows.add((math.isqrt(table) + 1) // 2)
    if len(windows) != 1:
        raise CheckpointError(f"{shapes.expected}, got one with windows of {sorted(windows)} cells")
    width = shapes.of("backbone.patch_embed.proj.weight")[0]
    hidden = shapes.of("backbone.layers.0.blocks.0.mlp.fc1.weight")[0]
    options = {
        "embed_dim": width,
        "depths": tuple(depths),
        "num_heads": tuple(heads),
        "window_size": windows.pop(),
        "mlp_ratio": hidden / width,
        "drop_path_rate": drop_path,
    }
    return EncoderConfig("swin_base_patch4_window12_384", options=options)


def bert_config(shapes: Shapes) -> EncoderConfig:
    """The BERT that the tensors belong to, as options of transformers'. Raises `CheckpointError`."""
    words, width = shapes.of("text_encoder.embeddings.word_embeddings.weight")
    if width % BERT_HEAD_CHANNELS:
        raise CheckpointError(f"{shapes.expected}, got a BERT of width {width}, no multiple of {BERT_HEAD_CHANNELS}")
    options: dict[str, Any] = {
        "vocab_size": words,
        "hidden_size": width,
        "num_hidden_layers": shapes.count(r"text_encoder\.encoder\.layer\.(\d+)\."),
        "num_attention_heads": width // BERT_HEAD_CHANNELS,
        "intermediate_size": shapes.of("text_encoder.encoder.layer.0.intermediate.dense.weight")[0],
        "max_position_embeddings": shapes.of("text_encoder.embeddings.position_embeddings.weight")[0],
        "type_vocab_size": shapes.of("text_encoder.embeddings.token_type_embeddings.weight")[0],
    }
    return EncoderConfig("bert-base-uncased", options=options)


def bert_tokenizer(source: Path, vocabulary: Path | None, state: Mapping[str, Tensor]) -> Tokenizer:
    """BERT's own tokenizer, from its vocabulary: `vocabulary`, or vocab.txt or tokenizer.json beside the checkpoint.

    Raises `DataError` where there is none, or one of another number of words than the checkpoint has rows for.
    """
    candidates = (source.with_name(name) for name in ("vocab.txt", "tokenizer.json"))
    path = vocabulary or next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise DataError(
            f"{source}: no vocab.txt or tokenizer.json of bert-base-uncased beside it; put one there, or name it "
            "(--vocabulary)"
        )
    tokenizer = read_word_pieces(path)
    rows = state["text_encoder.embeddings.word_embeddings.weight"].shape[0]
    words = tokenizer.get_vocab_size()
    if words != rows:
        raise DataError(f"{path}: expected {rows} words, one for each of the checkpoint's rows, got {words}")
    return tokenizer


def separate_bert(content: Any, source: Path) -> dict[str, Tensor]:
    """BERT's tensors as `text_encoder`, where they lie beside the network's under a name of their own. Raises
    `CheckpointError` where what lies there is no state dict."""
    bert = content.get("bert_model") if isinstance(content, dict) else None
    return {} if bert is None else {f"text_encoder.{key}": v for key, v in state_dict_of(bert, source).items()}


def stage_heads(heads: tuple[int, ...] | None, default: int) -> tuple[int, int, int, int]:
    """Heads of each stage of the fusion: one number for all, or four. Raises `ConfigError` for other counts."""
    given = heads or (default,)
    if len(given) not in (1, 4):
        raise ConfigError(f"fusion_heads: expected one number or four, one a stage, got {len(given)}")
    a, b, c, d = given * 4 if len(given) == 1 else given
    return a, b, c, d
