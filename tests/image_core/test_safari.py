"""SafaRi: X-FACt against the formulas written out, encoders that are the plain ones without it, one pass a picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from image_core.data.collate import collate
from image_core.encoders.text import TextEncoder, TextLayer, build_text_encoder
from image_core.encoders.vision import VisionEncoder, build_vision_encoder
from image_core.errors import ConfigError
from image_core.models.base import Trainable
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.safari import (
    AdditiveGate,
    FusedLayer,
    GatedCrossAttention,
    NoGate,
    NormalisedGate,
    Safari,
    SafariConfig,
    SafariExtras,
)
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing
from image_core.synthetic.dataset import SyntheticImages
from image_core.types import ImageBatch, ImageFeatures

SWIN: dict[str, Any] = {"embed_dim": 16, "depths": (1, 2, 2, 2), "num_heads": (2, 2, 4, 4), "drop_path_rate": 0.0}
VISION: dict[str, tuple[str, dict[str, Any]]] = {
    "swin v1": ("swin_tiny_patch4_window7_224", {**SWIN, "window_size": 4}),
    "swin v2": ("swinv2_tiny_window8_256", {**SWIN, "window_size": 4}),
    "tiny swin": ("tiny_swin", {**SWIN}),
}
TEXT = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 32}
TEXTS = ("small", "roberta-base", "openai/clip-vit-base-patch32")
SMALL = SafariConfig(channels=16, heads=2, hidden=16, encoder_layers=1, decoder_layers=1, bins=16, points=4)
EXPRESSIONS = ("the red star", "the big blue square on the left of the two circles", "a dog")
OFF = -1000.0
"""b of a gate that is shut: its sigmoid is 0."""


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def randomised(module: Any) -> Any:
    """No weight at a value (0 or 1 of fresh norms) that would hide a part."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim:  # gates stay
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return module.eval()


def vision_encoder(kind: str) -> VisionEncoder:
    name, options = VISION[kind]
    return randomised(build_vision_encoder(name, options=options))


def text_encoder(name: str) -> TextEncoder:
    return randomised(build_text_encoder(name, options=TEXT))


def safari(kind: str = "swin v1", text: str = "small", **config: Any) -> Safari:
    given = replace(SMALL, **({"fused_layers": 3} | config))
    return randomised(Safari(vision=vision_encoder(kind), text=text_encoder(text), config=given))


def shut(model: Safari) -> Safari:
    for module in model.modules():
        if isinstance(module, NormalisedGate):
            module.b.data.fill_(OFF)
    return model


def softmax(values: list[float]) -> list[float]:
    shares = [math.exp(v - max(values)) for v in values]
    return [s / sum(shares) for s in shares]


def linear(layer: Any, x: Tensor) -> Tensor:
    return layer.weight @ x + layer.bias


@pytest.mark.parametrize("norm", [True, False])
@torch.no_grad()
def test_gated_cross_attention_written_out(norm: bool) -> None:
    """Query by query, head by head; the last of three words is padding."""
    attention = randomised(GatedCrossAttention(6, 4, 2, NormalisedGate(-0.7), norm)).double()
    r, s, other = (torch.randn(1, 3, c).double() for c in (6, 6, 4))
    heard = attention(r, s, other, torch.tensor([[False, False, True]]))
    beta = 1 / (1 + math.exp(0.7))
    for i in range(3):
        q = linear(attention.to_q, attention.own_norm(s[0, i]))
        keys_values = [linear(attention.to_kv, attention.other_norm(other[0, j])) for j in (0, 1)]
        gathered = torch.zeros(6).double()
        for head in (0, 1):
            of = slice(3 * head, 3 * head + 3)
            similarity = [float(q[of] @ kv[:6][of]) / math.sqrt(3) for kv in keys_values]
            for j, weight in enumerate(softmax(similarity)):
                gathered[of] += weight * keys_values[j][6:][of]
                assert heard.similarity[0, head, i, j].item() == pytest.approx(similarity[j])
        wanted = (1 - beta) * r[0, i] + beta * linear(attention.out, gathered)
        torch.testing.assert_close(heard.mixed[0, i], wanted)


@torch.no_grad()
def test_the_two_gates_sum_to_one() -> None:
    """Where r and c agree, any gate gives them back; without gates they add up; FIBER's begins shut."""
    gates = [(NormalisedGate(b), 1.0) for b in (-4.0, 0.3, 5.0)]
    for gate, factor in (*gates, (NoGate(), 2.0), (AdditiveGate(), 1.0)):
        attention = GatedCrossAttention(4, 4, 2, gate, True)
        attention.out.weight.zero_()
        attention.out.bias.copy_(torch.tensor([1.0, -2.0, 0.5, 3.0]))
        r = attention.out.bias.expand(1, 5, 4)
        mixed = attention(r, torch.randn(1, 5, 4), torch.randn(1, 2, 4), torch.zeros(1, 2, dtype=torch.bool)).mixed
        torch.testing.assert_close(mixed, factor * r)


@torch.no_grad()
def test_a_fused_layer_is_its_two_hosts_and_the_formula() -> None:
    """x' = FFN((1 - beta) r + beta CA(s_x; s_y)) in both directions, keys and values from the same depth."""
    model = safari()
    stage, fused = model.vision.swin_stages()[2], cast(FusedLayer, model.fused[2])
    layer = cast(TextLayer, model.text.layers[-1])
    x, words = torch.randn(2, 4, 8, 128), torch.randn(2, 5, 24)
    cell_pad, pad = torch.zeros(2, 4, 8, dtype=torch.bool), torch.zeros(2, 5, dtype=torch.bool)
    cell_pad[1, :, 6:], pad[0, 3:] = True, True
    given: dict[str, Any] = {"stage": stage, "block": 1, "layer": layer, "cell_pad": cell_pad, "pad": pad}
    new_x, new_words, _ = fused(x, words, **given)

    s_x, s_y = stage.attend(1, x), layer.attend(words, pad)
    flat = s_x.flatten(1, 2)
    mixed_x = fused.image((x + s_x).flatten(1, 2), flat, s_y, pad).mixed
    mixed_y = fused.text(words + s_y, s_y, flat, cell_pad.flatten(1)).mixed
    torch.testing.assert_close(new_x, stage.feed_forward(1, mixed_x.view_as(x)))
    torch.testing.assert_close(new_words, layer.feed_forward(mixed_y))

    moved = words.clone()
    moved[0, 3:] += 1.0  # padding of one modality says nothing to the other
    torch.testing.assert_close(fused(x, moved, **given)[0], new_x)
    moved[0, 2] += 1.0
    assert not torch.allclose(fused(x, moved, **given)[0][0], new_x[0])


@pytest.mark.parametrize("kind", VISION)
@pytest.mark.parametrize("size", [(32, 32), (64, 96), (128, 128), (160, 32)])
@torch.no_grad()
def test_with_closed_gates_features_are_those_of_the_plain_encoders(kind: str, size: tuple[int, int]) -> None:
    model = shut(safari(kind, memory_stride=16, fused_layers=4))
    images = torch.randn(2, 3, *size)
    features = model.encode_image(images, model.encode_text(EXPRESSIONS))
    plain = model.vision(images)
    for level, wanted in zip(features.levels, (plain[0], plain[2], plain[3]), strict=True):
        torch.testing.assert_close(level, wanted.repeat_interleave(3, 0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", TEXTS)
@torch.no_grad()
def test_with_shut_gates_the_words_are_the_plain_encoders(name: str) -> None:
    model = shut(safari(text=name))
    features = model.encode_image(torch.randn(1, 3, 64, 64), model.encode_text(EXPRESSIONS))
    plain = model.text(EXPRESSIONS)
    assert features.words is not None
    torch.testing.assert_close(features.words.words, plain.words, rtol=1e-5, atol=1e-5)
    assert torch.equal(features.words.word_pad_mask, plain.word_pad_mask)


@pytest.mark.parametrize("name", TEXTS)
@torch.no_grad()
def test_a_text_layer_is_its_two_halves(name: str) -> None:
    text = text_encoder(name)
    hidden, pad = torch.randn(2, 6, 24), torch.tensor([[False] * 6, [False] * 4 + [True] * 2])
    for module in text.layers:
        layer = cast(TextLayer, module)
        torch.testing.assert_close(layer.feed_forward(hidden + layer.attend(hidden, pad)), layer(hidden, pad))


@torch.no_grad()
def test_open_gates_let_each_modality_change_the_other() -> None:
    model = safari()
    images = torch.randn(2, 3, 64, 64)
    features = model.encode_image(images, model.encode_text(EXPRESSIONS))
    assert features.words is not None
    for a, b in ((0, 1), (0, 3)):  # another expression over the same picture; the same expression over another picture
        assert not torch.allclose(features.levels[1][a], features.levels[1][b], atol=1e-4)
    assert not torch.allclose(features.words.words[0], features.words.words[3], atol=1e-4)


def same(a: ImageFeatures, b: ImageFeatures) -> None:
    assert a.strides == b.strides and torch.equal(a.valid_px, b.valid_px)
    assert a.words is not None and b.words is not None and a.attention is not None and b.attention is not None
    pairs = [*zip(a.levels, b.levels, strict=True), (a.words.words, b.words.words), (a.attention, b.attention)]
    for x, y in pairs:
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_pairs_are_fused_in_any_chunks_and_images_are_encoded_once() -> None:
    """Pairs of three pictures in mixed order, one picture without any: as one by one, in chunks, or all at once."""
    model = safari(fused_layers=3)
    images = torch.randn(3, 3, 64, 64)
    valid_px = torch.tensor([[64, 64], [50, 64], [64, 40]])
    frame_index = torch.tensor([2, 0, 2, 2, 0])
    text = model.encode_text(EXPRESSIONS).select(torch.tensor([0, 1, 2, 1, 0]))
    seen: list[int] = []
    for module in (model.vision.stem, model.vision.swin_stages()[0]):
        module.register_forward_hook(lambda _, __, out: seen.append(len(out)))
    wanted = model.encode_pairs(images, text, frame_index, valid_px=valid_px)
    assert seen == [3, 3]
    one_by_one = Trainable.encode_pairs(model, images, text, frame_index, valid_px=valid_px)
    same(one_by_one, wanted)
    for chunk in (1, 2):
        model.max_pairs = chunk
        same(model.encode_pairs(images, text, frame_index, valid_px=valid_px), wanted)
        same(Trainable.encode_pairs(model, images, text, frame_index, valid_px=valid_px), wanted)
    all_pairs = model.encode_image(images, model.encode_text(EXPRESSIONS), valid_px=valid_px)
    same(all_pairs.select(torch.tensor([6, 1, 8, 7, 0])), wanted)


@torch.no_grad()
def test_attention_is_a_distribution_over_cells_that_are_no_padding() -> None:
    images, valid_px = torch.randn(2, 3, 64, 64), torch.tensor([[64, 64], [64, 40]])
    for source in ("i2t", "t2i"):
        model = safari(amcr_source=source, fused_layers=4)
        features = model.encode_image(images, model.encode_text(EXPRESSIONS), valid_px=valid_px)
        assert features.attention is not None and features.attention.shape == (6, 4, 16, 1)
        attention = model.attention(features)
        torch.testing.assert_close(attention.sum((1, 2)), torch.ones(6))
        assert (attention[3:, :, 3:] == 0).all() and (attention[:3] > 0).all()


def batch_of(model: Trainable, images: Tensor, masks: Tensor) -> ImageBatch:
    n = len(masks)
    sizes = torch.tensor([images.shape[-2:]] * len(images))
    return ImageBatch(images, sizes, EXPRESSIONS[:n], torch.arange(n) % len(images), masks)


def test_the_attention_loss_is_of_expressions_with_a_target_alone() -> None:
    model = safari(dropout=0.0, amcr_weight=0.5).train()
    masks = torch.zeros(2, 64, 64)
    masks[0, 16:40, 8:32] = 1
    batch = batch_of(model, torch.randn(1, 3, 64, 64), masks)
    both = model(batch)
    assert isinstance(both.extras, SafariExtras)
    share = (both.extras.attention[0] * torch.nn.functional.avg_pool2d(masks[:1], 16)[0]).sum()
    assert model.losses(both, batch)["attention"].item() == pytest.approx(-0.5 * math.log(share.item()), rel=1e-5)
    empty = replace(batch, masks=torch.zeros_like(masks))
    assert model.losses(both, empty)["attention"].item() == 0
    assert set(safari(amcr_weight=0.0).losses(both, batch)) == {"tokens"}


def test_it_can_overfit_a_few_images(tiny_spec: Callable[..., ModelConfig]) -> None:
    spec = tiny_spec(
        "safari", channels=32, hidden=64, bins=16, dropout=0.0, points=4, memory_stride=16, gate_start=-2.0
    )
    model = build_model(spec).train()
    preprocessing = Preprocessing(64, "squash", 32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    samples = SyntheticImages("train", 0, (64, 64), 2)
    batch = collate([samples[i] for i in range(3)], preprocessing)
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    start = None
    for _ in range(120):
        terms = model.losses(model(batch), batch)
        loss = torch.stack(list(terms.values())).sum()
        start = loss.item() if start is None else start
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert start is not None and loss.item() < 0.5 * start


@torch.no_grad()
def test_with_positions_words_attend_to_the_place_of_an_object() -> None:
    """Of two equal cells of a plain picture a word's attention can only tell the place where cells carry it."""
    for placed in (False, True):
        model = safari(position_in_tokens=placed)
        text = model.encode_text(EXPRESSIONS[:1])
        blank = torch.zeros(1, 3, 128, 128)
        stem = model.encode_stem(blank)[:, :, :1, :1].expand(-1, -1, 32, 32)  # no borders either
        maps = model.attention(model.encode_image(blank, text, stem=stem))[0]
        same = torch.allclose(maps, torch.full_like(maps, 1 / maps.numel()), atol=1e-5)
        assert same is not placed


@torch.no_grad()
def test_the_memory_is_image_then_words() -> None:
    """Positions for cells and none for words; padding of both is unseen; either stride."""
    for stride, cells in ((32, 4), (16, 16)):
        model = safari(memory_stride=stride)
        text = model.encode_text(EXPRESSIONS)
        image = model.encode_image(torch.randn(1, 3, 64, 64), text, valid_px=torch.tensor([[64, 32]]))
        assert image.strides == ((4, 32) if stride == 32 else (4, 16, 32))
        memory = model.build_memory(image, text)
        assert memory.tokens.shape == (3, cells + text.words.shape[1], 16)
        assert (memory.position[:, cells:] == 0).all() and (memory.position[:, :cells] != 0).any()
        assert memory.pad_mask[:, :cells].sum() == 3 * cells / 2
        assert torch.equal(memory.pad_mask[:, cells:], text.word_pad_mask)
    with pytest.raises(ValueError, match="got some without words"):
        model.build_memory(replace(image, words=None), text)
    with pytest.raises(ValueError, match="expected the text, which is fused in the encoder, got none"):
        model.encode_image(torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"fused_layers": 5}, "4 vision blocks after the stem and 3 text layers"),
        ({"fused_layers": 0}, "fused_layers: expected at least 1, got 0"),
        ({"gate": "clamped"}, "gate: expected one of normalised, additive, none, got 'clamped'"),
        ({"memory_stride": 8}, "memory_stride: expected 16 or 32, got 8"),
        ({"amcr_source": "i2i"}, "amcr_source: expected one of i2t, t2i, got 'i2i'"),
        ({"amcr_form": "area"}, "amcr_form: expected one of mass, margin, got 'area'"),
        ({"amcr_weight": -0.1}, "amcr_weight: expected 0 or more, got -0.1"),
        ({"amcr_margins": (0.1,)}, "amcr_margins: expected [number, number], got (0.1,)"),
        ({"channels": 18}, "SafariConfig.channels: expected a multiple of heads (2) and of 4, got 18"),
    ],
)
def test_configs_that_cannot_be_built(tiny_spec: Callable[..., ModelConfig], config: dict, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build_model(tiny_spec("safari", **config))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_encoders_that_cannot_be_fused(tiny_spec: Callable[..., ModelConfig]) -> None:
    spec = tiny_spec("safari")
    with pytest.raises(ConfigError, match="vision encoder: expected a Swin v1 or v2"):
        build_model(replace(spec, vision=EncoderConfig("tiny")))
    with pytest.raises(ConfigError, match=r"text encoder: expected the layers .*, got GruTextEncoder"):
        build_model(replace(spec, text=EncoderConfig("gru")))
