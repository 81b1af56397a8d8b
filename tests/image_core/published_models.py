"""Models of published releases, narrow, and what their tests have in common: tensors under the releases' names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from image_core.encoders.text import TextEncoder, Tokens
from image_core.encoders.word_pieces import bert_document, read_word_pieces
from image_core.models.base import EncoderModel
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.table import build_model
from image_core.types import TextFeatures

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "red", "dog", "##gy", "left", ".")


def names_in_lavt(model: torch.nn.Module) -> dict[str, Tensor]:
    """A model's tensors under the names of the release, written from the list of its keys and not from our rules."""
    parts = {"pixels": "vis_project", "mix": "project_mm"}
    parts |= {name: f"image_lang_att.f_{name}" for name in ("query", "key", "value")} | {"out": "image_lang_att.W"}
    names = {}
    for key, value in model.state_dict().items():
        if key.startswith("presence_"):
            continue
        key = key.replace("vision.stem.0.", "backbone.patch_embed.").replace("vision.stem.1.", "backbone.layers.0.")
        if found := re.match(r"vision\.stages\.(\d)\.0\.(downsample)?", key):
            stage = int(found[1]) + (found[2] is None)
            key = key.replace(f"vision.stages.{found[1]}.0.", f"backbone.layers.{stage}.")
        if found := re.match(r"fusion\.attention\.(\d)\.(\w+)\.(\w+)", key):
            key = f"backbone.layers.{found[1]}.fusion.{parts[found[2]]}.0.{found[3]}"
            value = value[..., None] if found[3] == "weight" else value
        key = re.sub(r"fusion\.gates\.(\d)\.first", r"backbone.layers.\1.res_gate.0", key)
        key = re.sub(r"fusion\.gates\.(\d)\.second", r"backbone.layers.\1.res_gate.2", key)
        key = key.replace("fusion.norms.", "backbone.norm").replace("classes.", "classifier.conv1_1.")
        if found := re.match(r"decoder\.(\d)\.blocks\.(\d)\.(\d)\.(.+)", key):
            key = f"classifier.{'conv' if found[3] == '0' else 'bn'}{int(found[2]) + 1}_{4 - int(found[1])}.{found[4]}"
        key = key.replace("text.embeddings.", "text_encoder.embeddings.")
        key = re.sub(r"text\.layers\.(\d+)\.layer\.", r"text_encoder.encoder.layer.\1.", key)
        names[key] = value
    width = names["backbone.layers.3.fusion.vis_project.0.bias"].shape[0]
    names |= {f"backbone.layers.3.res_gate.{i}.weight": torch.randn(width, width) for i in (0, 2)}
    names["backbone.layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(9, 9, dtype=torch.long)
    names["text_encoder.embeddings.position_ids"] = torch.arange(24)[None]
    return names


def narrow(name: str, config: dict[str, Any], folder: Path) -> EncoderModel:
    """A release's architecture with its own encoders, of other sizes than published, and every tensor alive: windows of
    3, another MLP, two layers of BERT, whose vocab.txt is written into a folder."""
    torch.manual_seed(0)
    swin = {"embed_dim": 8, "depths": (1, 2, 3, 1), "num_heads": (1, 2, 4, 4), "window_size": 3, "mlp_ratio": 2.0}
    bert: dict[str, Any] = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    bert |= {"intermediate_size": 24, "max_position_embeddings": 24, "type_vocab_size": 2, "vocab_size": len(WORDS)}
    spec = ModelConfig(
        name=name,
        vision=EncoderConfig("swin_base_patch4_window12_384", options=swin | {"drop_path_rate": 0.3}),
        text=EncoderConfig("bert-base-uncased", options=bert),
        config=config,
    )
    path = folder / "vocab.txt"
    path.write_text("\n".join(WORDS))
    model = build_model(spec, tokenizer_json=bert_document(read_word_pieces(path), bert)).eval()
    for name, tensor in model.state_dict().items():
        if "presence" not in name and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5) if name.endswith("running_var") else tensor.normal_(0, 0.3)
    return model


def read_words(model: torch.nn.Module, ids: Tensor, keep: Tensor) -> TextFeatures:
    """The features of tokens that are given."""
    text = cast(TextEncoder, model.text)
    tokens = Tokens(ids.long(), keep == 0)
    hidden = text.embed(tokens)
    for layer in text.layers:
        hidden = layer(hidden, tokens.word_pad_mask)
    return text.collect(hidden, tokens)
