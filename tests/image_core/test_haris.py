"""HARIS: its block against the arithmetic written out, what is frozen, and SAM's encoder against transformers' own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.encoders.vision import build_vision_encoder
from image_core.errors import CheckpointError, ConfigError
from image_core.losses import bce_loss, focal_loss
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.haris import Haris, HarisConfig
from image_core.models.human_like_attention import HumanLikeAttention
from image_core.models.table import build_model
from image_core.types import ImageBatch
from tests.tiny_networks import write_sam

SAM = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 64,
    "window_size": 2,
    "global_attn_indexes": (1,),
    "mlp_dim": 16,
}
"""Of the network that `write_sam` writes, but for its third block."""


def block(**switches: bool) -> HumanLikeAttention:
    torch.manual_seed(0)
    on = {"feedback": True, "language_weighted": True, "vision_weighted": True} | switches
    return HumanLikeAttention(8, 6, **on).double()


def inputs() -> tuple[Tensor, ...]:
    """Five cells, the last one padding; three words, the last one padding of the second row."""
    torch.manual_seed(1)
    words_pad = torch.tensor([[False] * 3, [False, False, True]])
    cells_pad = torch.tensor([[False] * 4 + [True]] * 2)
    return (
        torch.randn(2, 5, 8).double(),
        torch.randn(2, 3, 8).double(),
        torch.randn(2, 6).double(),
        words_pad,
        cells_pad,
    )


@torch.no_grad()
def test_the_block_is_its_arithmetic() -> None:
    one = block()
    vision, words, sentence, words_pad, cells_pad = inputs()
    cells, seen = one(vision, words, sentence, words_pad, cells_pad)
    assert one.language_weighted and one.vision_weighted and one.gate
    for i in range(2):
        kept, real = ~words_pad[i], ~cells_pad[i]
        t, v = words[i, kept], vision[i]
        w_v, w_t = one.vision_to_similarity.weight, one.words_to_similarity.weight

        def look(v: Tensor, t: Tensor = t, w_v: Tensor = w_v, w_t: Tensor = w_t) -> Tensor:
            a = (v @ w_v.T) @ (t @ w_t.T).T / math.sqrt(8)
            assert one.language_weighted
            return one.language_weighted.norm(v + a.softmax(1) @ one.language_weighted.values(t))

        signal = one.feedback(look(v) * one.gate(sentence[i]).sigmoid())
        torch.testing.assert_close(cells[i], look(v + signal))
        a = (v[real] @ w_v.T) @ (words[i] @ w_t.T).T / math.sqrt(8)
        gathered = a.softmax(0).T @ one.vision_weighted.values(v[real])
        torch.testing.assert_close(seen[i], one.vision_weighted.norm(words[i] + gathered))


@torch.no_grad()
def test_each_switch_takes_away_its_part() -> None:
    vision, words, sentence, words_pad, cells_pad = inputs()

    def out(**switches: bool) -> tuple[Tensor, Tensor]:
        return block(**switches)(vision, words, sentence, words_pad, cells_pad)

    assert torch.equal(out(vision_weighted=False)[1], words)
    cells, seen = out(language_weighted=False)
    assert torch.equal(cells, vision) and not torch.allclose(seen, words)
    assert not any("gate" in name for name, _ in block(feedback=False).named_parameters())
    fresh = block(feedback=False)
    other = fresh(vision, words, sentence + 1, words_pad, cells_pad)
    assert torch.equal(fresh(vision, words, sentence, words_pad, cells_pad)[0], other[0]), (
        "the sentence only feeds back"
    )


@pytest.fixture
def batch() -> ImageBatch:
    torch.manual_seed(2)
    masks = torch.zeros(2, 64, 64)
    masks[0, 8:40, 8:40] = 1
    return ImageBatch(
        torch.randn(1, 3, 64, 64), torch.tensor([[64, 64]]), ("the red star", "a dog"), torch.tensor([0, 0]), masks
    )


@pytest.mark.parametrize("trainable", ["none", "adapters", "all"])
def test_what_is_frozen_stays_as_it_is(
    tiny_spec: Callable[..., ModelConfig], batch: ImageBatch, trainable: str
) -> None:
    """Weights, batch statistics and what encoders see in training, dropout and all."""
    torch.manual_seed(0)
    model = cast(Haris, build_model(tiny_spec("haris", trainable=trainable))).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    torch.stack(list(model.losses(model(batch), batch).values())).sum().backward()
    optimiser.step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    moved = {key.split(".")[0] for key in changed}
    encoders, adapters = {"vision", "text"}, {"vision_adapters", "text_adapters"}
    assert moved & encoders == (encoders if trainable == "all" else set())
    assert moved & adapters == (adapters if trainable == "adapters" else set())
    assert {"to_grid", "blocks", "joins", "decoder", "upsampling"} <= moved
    assert model.vision.training == model.text.training == (trainable == "all")


@torch.no_grad()
def test_adapters_start_almost_as_nothing(tiny_spec: Callable[..., ModelConfig], batch: ImageBatch) -> None:
    torch.manual_seed(0)
    with_adapters = build_model(tiny_spec("haris", trainable="adapters")).eval()
    without = build_model(tiny_spec("haris")).eval()
    without.load_state_dict({k: v for k, v in with_adapters.state_dict().items() if "adapters" not in k})
    a, b = with_adapters(batch).mask_logits, without(batch).mask_logits
    assert not torch.equal(a, b) and (a - b).abs().max() < 0.02 * b.std()


@torch.no_grad()
def test_the_product_before_the_last_doubling_is_the_product_after_it(tiny_spec: Callable[..., ModelConfig]) -> None:
    torch.manual_seed(0)
    model = cast(Haris, build_model(tiny_spec("haris")).eval())
    cells, query = torch.randn(2, 16, 3, 4), torch.randn(2, 16)
    x = cells
    for part in model.upsampling:
        x = F.interpolate(part(x), scale_factor=2.0, mode="bilinear", align_corners=False)
    after = (x * query[:, :, None, None]).sum(1) / 4
    torch.testing.assert_close(model._product(cells, query), after, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_padding_of_an_image_has_no_effect(tiny_spec: Callable[..., ModelConfig]) -> None:
    """Beyond the reach of the convolutions: only attention could carry it."""
    torch.manual_seed(0)
    model = build_model(tiny_spec("haris", hierarchy=False)).eval()
    text = model.encode_text(["the red star"])
    features = model.encode_image(torch.randn(1, 3, 32, 320), valid_px=torch.tensor([[32, 128]]))
    (level,) = features.levels
    other = level.clone()
    other[..., 8:] = 9.0
    a, b = (model.decode(replace(features, levels=(x,)), text).mask_logits for x in (level, other))
    assert torch.equal(a[..., :16], b[..., :16]) and not torch.equal(a, b)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 3}, r"channels: expected a multiple of heads \(3\) and of 4, got 256"),
        ({"grid_stride": 4}, "grid_stride: expected 8, 16 or 32, got 4"),
        ({"trainable": "some"}, "trainable: expected one of none, adapters, all, got 'some'"),
        ({"block": "human"}, "block: expected one of human_like, cross_attention, got 'human'"),
        ({"vision_weighted": False, "language_weighted": False}, "expected vision_weighted, language_weighted or both"),
        ({"dropout": 1.0}, "dropout: expected 0 to below 1, got 1.0"),
        ({"focal_weight": -1.0}, "focal_weight: expected 0 or more, got -1.0"),
    ],
)
def test_configs_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HarisConfig(**change)


def test_parts_that_do_not_fit(tiny_spec: Callable[..., ModelConfig]) -> None:
    spec = replace(tiny_spec("haris", trainable="adapters"), text=EncoderConfig("gru", options={"hidden": 8}))
    with pytest.raises(ConfigError, match="expected layers to adapt, of transformers, got GruTextEncoder"):
        build_model(spec)


def test_focal_loss_is_cross_entropy_where_nothing_is_focused() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 4, 5), (torch.rand(3, 4, 5) > 0.5).float()
    torch.testing.assert_close(focal_loss(logits, targets, alpha=0.5, gamma=0.0), bce_loss(logits, targets) / 2)
    sure = torch.full_like(logits, 8.0)
    assert focal_loss(sure, torch.ones_like(logits)) < 1e-6 < focal_loss(sure, torch.zeros_like(logits))
    # p = 0.75, q = 0.25 of a cell that is none: 0.75 x 0.75^2 x -log 0.25
    one = torch.full((1, 1, 1), math.log(3.0))
    assert focal_loss(one, torch.zeros_like(one)).item() == pytest.approx(0.75**3 * math.log(4), rel=1e-5)


@torch.no_grad()
def test_sam_is_what_transformers_makes_of_it(tmp_path: Path) -> None:
    """Three blocks, with weights from a folder: every level is a hidden state of transformers' own encoder."""
    from transformers import SamModel

    folder = write_sam(tmp_path, layers=3)
    encoder = build_vision_encoder("tiny_sam", folder=folder, options=SAM | {"num_hidden_layers": 3}).eval()
    reference: Any = SamModel.from_pretrained(folder).eval().vision_encoder
    for model in (reference, encoder):  # tables of zeros would hide a mistake
        for name, p in model.named_parameters():
            if "pos" in name:
                p.copy_(torch.linspace(-0.5, 0.5, p.numel()).view_as(p))
    images = torch.randn(2, 3, 64, 64)
    levels = encoder(images)
    states = reference(images, output_hidden_states=True).hidden_states
    assert encoder.strides == (16,) * 4 and encoder.size_multiple == 16 and encoder.channels == (16,) * 4
    x = reference.patch_embed(images) + reference.pos_embed
    torch.testing.assert_close(levels[0].permute(0, 2, 3, 1), x)
    for level, layer in zip(levels[1:], reference.layers, strict=True):
        x = layer(x)
        torch.testing.assert_close(level.permute(0, 2, 3, 1), x)
    torch.testing.assert_close(states[-1], x)
    assert [level.shape[2:] for level in encoder(torch.randn(1, 3, 48, 112))] == [(3, 7)] * 4, "any size"


def test_weights_of_another_sam_are_refused(tmp_path: Path) -> None:
    folder = write_sam(tmp_path, layers=3)
    with pytest.raises(ConfigError, match=r"others in .*: set options to what they have, \{'hidden_size': 16, "):
        build_vision_encoder("tiny_sam", folder=folder)
    with pytest.raises(ConfigError, match="expected no pretrained, as it has no published weights"):
        build_vision_encoder("tiny_sam", pretrained=True)
    with pytest.raises(ConfigError, match=r"expected options of .*, got \['depth'\]"):
        build_vision_encoder("tiny_sam", options={"depth": 3})
    with pytest.raises(ConfigError, match="expected 3 blocks or more"):
        build_vision_encoder("tiny_sam", options={"num_hidden_layers": 2})
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        build_vision_encoder("tiny_sam", folder=folder, options=SAM | {"num_hidden_layers": 3})
