"""Pixel-word attention inside the encoder, which LAVT, CGFormer and ReLA share: by hand, and against their figures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from image_core.convert import fused_swin
from image_core.convert.state_dicts import KeyTable, Shapes, load_weights
from image_core.encoders.segmentation_windows import window_attention
from image_core.encoders.text import Tokens, build_text_encoder
from image_core.encoders.vision import build_vision_encoder
from image_core.encoders.vision_blocks import SwinStage
from image_core.layers.pixel_word import LanguageGate, PixelWordAttention, instance_norm
from image_core.models.language_fused import LanguageFusedConfig, LanguageFusedModel
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures


class Levels(LanguageFusedModel):
    """The fused encoder alone."""

    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Any = None) -> Prediction:
        raise AssertionError("only the levels are asked for")

    def losses(self, prediction: Prediction, batch: ImageBatch) -> dict[str, Tensor]:
        raise AssertionError("only the levels are asked for")


@pytest.mark.parametrize("heads", [1, 2, 4])
@torch.no_grad()
def test_pixel_word_attention_is_its_formula(heads: int) -> None:
    torch.manual_seed(0)
    layer = PixelWordAttention(8, 6, heads)
    x, words = torch.randn(2, 15, 8), torch.randn(2, 5, 6)
    pad = torch.tensor([[False] * 5, [False, False, True, True, True]])
    given = layer(x, words, pad)
    for n, length in enumerate((5, 2)):  # without padding, head by head, as written in the docstring
        k, v = layer.key(words[n, :length]), layer.value(words[n, :length])
        q = F.instance_norm(layer.query(x[n]).T[None])[0].T
        parts = [slice(i * 8 // heads, (i + 1) * 8 // heads) for i in range(heads)]
        gathered = [(q[:, c] @ k[:, c].T / math.sqrt(8)).softmax(-1) @ v[:, c] for c in parts]
        heard = F.instance_norm(layer.out(torch.cat(gathered, 1)).T[None])[0].T
        expected = F.gelu(layer.mix(F.gelu(layer.pixels(x[n])) * heard))
        torch.testing.assert_close(given[n], expected)


def test_instance_norm_of_a_single_pixel_is_zero() -> None:
    assert instance_norm(torch.randn(2, 1, 3)).abs().max() == 0
    with pytest.raises(ValueError, match=r"expected divisors of the encoder's channels \(8\), got 3"):
        PixelWordAttention(8, 6, 3)


def test_both_matrices_of_the_gate_learn_from_the_first_step() -> None:
    torch.manual_seed(0)
    gate = LanguageGate(6)
    x, y = torch.randn(2, 4, 6), torch.randn(2, 4, 6)
    gate(x, y).square().sum().backward()
    for parameter in gate.parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0
    for parameter in gate.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(gate(x, y), x)


def swin_stage(**options: Any) -> SwinStage:
    made = {"embed_dim": 8, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 2, 4), "window_size": 4} | options
    return build_vision_encoder("swin_tiny_patch4_window7_224", options=made).swin_stages()[0].eval()


@torch.no_grad()
def test_whole_windows_are_the_same_in_both_forms() -> None:
    torch.manual_seed(0)
    stage = swin_stage()
    x = torch.randn(2, 16, 24, 8)
    classification = stage(x)
    stage.use_segmentation_windows()
    torch.testing.assert_close(stage(x), classification, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(3, 3), (4, 4), (6, 5), (9, 4), (1, 7)])
@torch.no_grad()
def test_windows_are_padded_and_then_shifted(size: tuple[int, int]) -> None:
    """Cell by cell: a cell attends to those of its shifted window on its side of the picture's edge, and padding."""
    torch.manual_seed(0)
    stage = swin_stage()
    block: Any = stage.blocks[1]
    block.attn.relative_position_bias_table.normal_()
    h, w = size
    x = torch.randn(1, h, w, 16)
    given = window_attention(block, x)
    assert given.shape == x.shape
    tall, wide = -(-h // 4) * 4, -(-w // 4) * 4
    padded = F.pad(block.norm1(x), (0, 0, 0, wide - w, 0, tall - h))[0]
    q, k, v = block.attn.qkv(padded).view(tall, wide, 3, 2, 8).unbind(2)
    table = block.attn.relative_position_bias_table

    def place(y: int, length: int) -> tuple[int, int, bool]:
        rolled = (y - 2) % length
        return rolled // 4, rolled % 4, rolled >= length - 2

    for y, z in ((0, 0), (h - 1, w - 1), (h // 2, w // 2)):
        (row, i, low), (column, j, right) = place(y, tall), place(z, wide)
        seen = []
        for b in range(tall):
            for c in range(wide):
                (row2, i2, low2), (column2, j2, right2) = place(b, tall), place(c, wide)
                if (row, column, low, right) == (row2, column2, low2, right2):
                    seen.append((b, c, (i - i2 + 3) * 7 + (j - j2 + 3)))
        logits = torch.stack([(q[y, z] * k[b, c]).sum(-1) / math.sqrt(8) + table[t] for b, c, t in seen])
        gathered = (logits.softmax(0)[..., None] * torch.stack([v[b, c] for b, c, _ in seen])).sum(0)
        torch.testing.assert_close(given[0, y, z], block.attn.proj(gathered.flatten()), rtol=1e-5, atol=1e-5)


def test_swin_v2_has_no_windows_for_segmentation() -> None:
    options = {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 2, 4), "window_size": 4}
    vision = build_vision_encoder("swinv2_tiny_window8_256", options=options)
    with pytest.raises(ValueError, match="expected a Swin v1"):
        vision.use_segmentation_windows()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("project", "heads", "names"),
    [
        ("lavt", 1, ("text", "l_mask", "bert_last_hidden", "c1", "c2", "c3", "c4")),
        ("cgformer", 8, ("text", "l_mask", "bert_last_hidden", "c1", "c2", "c3", "c4")),
        ("rela", 1, ("lang_tokens", "lang_mask", "lang_feat", "res2", "res3", "res4", "res5")),
    ],
)
@torch.no_grad()
def test_parity_fused_encoders(project: str, heads: int, names: tuple[str, ...], shared_dir: Path) -> None:
    """Words and all four levels of the three releases to 1e-4."""
    folder = shared_dir / "parity" / "models" / project
    io = {k: torch.from_numpy(np.asarray(v)) for k, v in np.load(folder / "io.npz").items()}
    published = load_file(folder / "state_dict.safetensors")
    shapes = Shapes(published, "fixture")
    vision, bert = fused_swin.swin_config(shapes), fused_swin.bert_config(shapes)
    text = build_text_encoder(bert.name, options=bert.options)
    model = Levels(
        vision=build_vision_encoder(vision.name, options=vision.options),
        text=text,
        config=LanguageFusedConfig((heads,) * 4),
    ).eval()
    table = KeyTable(fused_swin.SWIN + fused_swin.BERT, fused_swin.UNUSED, fused_swin.resolve_path)
    load_weights(
        model, table.rename_keys({k: v for k, v in published.items() if k.startswith(("back", "text"))}), project
    )
    tokens = Tokens(io[names[0]].long(), io[names[1]] == 0)
    hidden = text.embed(tokens)
    for layer in text.layers:
        hidden = layer(hidden, tokens.word_pad_mask)
    words = text.collect(hidden, tokens)
    levels = model.encode_pairs(io["image"], words, torch.arange(2)).levels
    for came, name in zip((words.words, *levels), names[2:], strict=True):
        torch.testing.assert_close(came, io[name], rtol=1e-4, atol=1e-4, msg=name)
