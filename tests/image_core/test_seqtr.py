"""What SeqTR adds to the law of models: tokens of masks, masks of tokens, presence, its loss, and its own encoders."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from image_core.encoders.darknet import darknet53
from image_core.encoders.gru import build_gru_encoder
from image_core.encoders.vision import build_vision_encoder
from image_core.errors import ConfigError
from image_core.geometry.planes import resize_logits
from image_core.models.contour import (
    OUTSIDE,
    contour_prediction,
    contour_tokens,
    contours_of,
    coordinate_codes,
    padded_px,
    soft_mask,
    token_loss,
)
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.seqtr import SeqTR, SeqTRConfig
from image_core.models.table import build_model
from image_core.types import ImageBatch, Prediction

BINS = 64


@pytest.fixture
def model(tiny_spec: Callable[..., ModelConfig]) -> SeqTR:
    torch.manual_seed(0)
    return cast(SeqTR, build_model(tiny_spec("seqtr", dropout=0.0)))


def square(top: int, left: int, side: int, size: tuple[int, int] = (64, 64)) -> Tensor:
    mask = torch.zeros(1, *size)
    mask[:, top : top + side, left : left + side] = 1
    return mask


def said(tokens: list[int], probability: float = 0.9) -> tuple[Tensor, Tensor]:
    """A row of tokens, each chosen with this probability, the rest spread evenly."""
    row = torch.tensor([tokens])
    probs = torch.full((1, len(tokens), BINS + 1), (1 - probability) / BINS)
    return row, probs.scatter(2, row[..., None], probability).log()


def predicted(tokens: list[int], probability: float = 0.9) -> Prediction:
    row, logits = said(tokens, probability)
    return contour_prediction(row, logits, size=(64, 64), frame_px=torch.tensor([[64, 64]]), offset=0.5)


SQUARE = [16, 16, 47, 16, 47, 47, 16, 47]


def test_a_mask_to_tokens_to_a_mask() -> None:
    """64 bins over 64 px: corners come back to the pixel."""
    tokens = contour_tokens(
        square(16, 16, 32), torch.tensor([[64, 64]]), points=200, bins=BINS, shuffle_share=0.0,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert tokens.shape == (1, 400) and (tokens[0] == BINS).sum() == 400 - 2 * 124
    found = contour_prediction(
        tokens, torch.nn.functional.one_hot(tokens, BINS + 1).float() * 9, size=(64, 64),
        frame_px=torch.tensor([[64, 64]]), offset=0.5,
    )  # fmt: skip
    restored = resize_logits(found.mask_logits, (64, 64))
    differing = (restored > 0) != (square(16, 16, 32) > 0)
    assert differing.sum() <= 4 and not differing[0, 17:47].any(), "enlarging may round the corners"


def test_an_outline_without_area_is_all_end() -> None:
    """As SeqTR teaches it: a line or a pixel has no contour, four pixels in a square have one."""
    masks = torch.zeros(3, 64, 64)
    masks[0, 5, 5:30], masks[1, 9, 9], masks[2, 4:6, 4:6] = 1, 1, 1
    tokens = contour_tokens(
        masks, torch.full((3, 2), 64), points=4, bins=BINS, shuffle_share=0.0, rng=np.random.default_rng(0)
    )
    assert (tokens[:2] == BINS).all() and (tokens[2] != BINS).all()


def test_codes_of_coordinates_are_nearest_to_their_neighbours(tiny_spec: Callable[..., ModelConfig]) -> None:
    """A bin's code is likest to the bins beside it, and no two are equal: what reads it sees an order."""
    codes = coordinate_codes(BINS, 32)
    distance = torch.cdist(codes, codes).fill_diagonal_(math.inf)
    nearest = distance.argmin(1)
    assert ((nearest - torch.arange(BINS)).abs() == 1).all() and distance.min() > 0.1
    started = cast(SeqTR, build_model(tiny_spec("seqtr", bins=BINS, sine_codes=True)))
    width = started.config.channels
    assert torch.equal(started.decoder.embedding.weight[:BINS], coordinate_codes(BINS, width))


def test_tokens_of_nothing_of_parts_and_of_shuffled_points() -> None:
    masks = torch.cat([torch.zeros(1, 64, 64), torch.maximum(square(0, 0, 20), square(40, 40, 4)), square(5, 5, 30)])
    frame = torch.full((3, 2), 64)

    def tokens(share: float, seed: int) -> Tensor:
        rng = np.random.default_rng(seed)
        return contour_tokens(masks, frame, points=12, bins=BINS, shuffle_share=share, rng=rng)

    plain = tokens(0.0, 0)
    assert (plain[0] == BINS).all()
    assert plain[1][plain[1] != BINS].max() == 19, "the smaller part is left out"
    assert torch.equal(plain, tokens(0.0, 5))
    mixed = tokens(1.0, 0)
    assert not torch.equal(plain[2], mixed[2])
    kept = [sorted(t[t != BINS].view(-1, 2).tolist()) for t in (plain[2], mixed[2])]
    assert kept[0] == kept[1]


def test_soft_masks_are_half_and_half_the_score_inside_and_zero_outside() -> None:
    for score in (0.2, 0.9, 1.0):
        probs = soft_mask(square(16, 16, 32) > 0, torch.tensor([score])).sigmoid()[0]
        torch.testing.assert_close(probs[4:12, 4:12], torch.full((8, 8), 0.5 + 0.5 * score), atol=1e-4, rtol=0)
        far = torch.ones(16, 16, dtype=torch.bool)
        far[3:13, 3:13] = False
        assert (probs[far] < 1e-6).all()
        assert ((probs > 0.5) == (square(16, 16, 32)[0, ::4, ::4] > 0)).all()
    assert (soft_mask(torch.zeros(1, 64, 64, dtype=torch.bool), torch.zeros(1)) == OUTSIDE).all()


def test_a_mask_of_one_pixel_is_not_lost() -> None:
    assert (soft_mask(square(9, 9, 1) > 0, torch.tensor([0.8])) > 0).sum() == 1


def test_the_score_is_the_mean_probability_of_the_tokens_up_to_the_end() -> None:
    found = predicted([*SQUARE, BINS, 3, 3], probability=0.7)
    torch.testing.assert_close(found.score, torch.tensor([0.7]))
    assert found.mask_logits.shape == (1, 16, 16) and (found.mask_logits > 0).sum() == 64
    torch.testing.assert_close(found.mask_logits.max().sigmoid(), torch.tensor(0.85))
    assert torch.equal(predicted([*SQUARE, 20, BINS, 3]).mask_logits, predicted([*SQUARE, BINS, 3, 3]).mask_logits)


def test_presence_is_the_log_odds_of_a_first_point_against_the_end() -> None:
    assert predicted([*SQUARE, BINS], 0.9).presence_logit.item() == pytest.approx(
        math.log((0.9 + 0.1 / BINS * (BINS - 1)) / (0.1 / BINS)), rel=1e-4
    )
    absent = predicted([BINS] * 9, 0.9)
    assert absent.presence_logit.item() == pytest.approx(math.log(0.1 / 0.9), rel=1e-4)
    assert absent.score.item() == 0 and (absent.mask_logits == OUTSIDE).all()


def test_contours_are_in_pixels_of_the_input_and_stop_at_the_end() -> None:
    tokens = torch.tensor([[*SQUARE, BINS], [*SQUARE[:3], BINS, 5, 5, 5, 5, 5], [BINS] * 9])
    square_px, dropped, absent = contours_of(tokens, torch.full((3, 2), 64), bins=BINS, offset=0.5)
    assert square_px.tolist() == [[16.5, 16.5], [47.5, 16.5], [47.5, 47.5], [16.5, 47.5]]
    assert dropped.tolist() == [[16.5, 16.5]], "an odd coordinate before the end is no point"
    assert absent.shape == (0, 2)


def test_sides_of_an_image_do_not_depend_on_what_it_is_batched_with() -> None:
    assert padded_px(torch.tensor([[64, 65], [1, 32]]), 32).tolist() == [[64, 96], [32, 32]]


def test_the_loss_by_hand() -> None:
    probs = torch.tensor([[[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]])
    first = -(0.9 * math.log(0.7) + 0.1 / 3 * (math.log(0.2) + math.log(0.1)))
    end = -(0.9 * math.log(0.7) + 0.1 / 3 * (math.log(0.1) + math.log(0.2)))
    loss = token_loss(probs.log(), torch.tensor([[0, 2]]), smoothing=0.1, end_weight=0.1)
    assert loss.item() == pytest.approx((first + 0.1 * end) / 2, rel=1e-5)


def test_training_targets_are_the_true_tokens(model: SeqTR) -> None:
    batch = batch_of(square(8, 8, 40), torch.zeros(1, 64, 64))
    model.train()
    prediction = model(batch)
    extras = prediction.extras
    assert extras.token_logits.shape == (2, 11, 25) and extras.token_targets.shape == (2, 11)
    assert (extras.token_targets[1] == 24).all() and (extras.token_targets[:, -1] == 24).all()
    assert torch.equal(extras.token_targets[:, :-1], model.targets(batch))
    assert model.losses(prediction, batch)["tokens"].requires_grad
    with pytest.raises(ValueError, match="made without targets"):
        model.losses(model.eval()(batch), batch)


def test_points_that_training_reads_walk_away_from_the_true_ones(
    tiny_spec: Callable[..., ModelConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a random walk: later points are off by more. Ends stay, and what is to be said stays."""
    torch.manual_seed(0)
    model = cast(SeqTR, build_model(tiny_spec("seqtr", dropout=0.0, read_drift=1.0)))
    masks = torch.cat([*[square(8, 8, 40)] * 40, torch.zeros(1, 64, 64)])
    asked = {"expressions": ("the star",) * 41, "frame_index": torch.zeros(41, dtype=torch.long), "masks": masks}
    batch, bins, read = replace(batch_of(square(8, 8, 40)), **asked), model.config.bins, list[Tensor]()
    decoder = model.decoder.forward
    monkeypatch.setattr(model.decoder, "forward", lambda memory, tokens: read.append(tokens) or decoder(memory, tokens))
    truth = model.targets(batch)
    said = model.train()(batch).extras
    assert torch.equal(said.token_targets[:, :-1], truth)
    assert (read[0][-1] == bins).all() and (read[0][:-1] < bins).all() and (read[0] >= 0).all()
    off = (read[0] - truth)[:-1].float().std(0)
    assert 0.5 < off[:2].mean() < 1.5 and off[-2:].mean() > 1.3 * off[:2].mean()
    with torch.no_grad():
        image = model.eval().encode_pairs(batch.images, text := model.encode_text(batch.expressions), batch.frame_index)
        model.decode(image, text, truth)
    assert torch.equal(read[1], truth)


def test_the_model_can_overfit_two_images(model: SeqTR) -> None:
    """Text and picture both count: one picture with two expressions, one of them without a target."""
    batch = batch_of(square(8, 8, 40), torch.zeros(1, 64, 64), square(4, 30, 24))
    optimiser = torch.optim.Adam(model.train().parameters(), lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        model.losses(model(batch), batch)["tokens"].backward()
        optimiser.step()
    with torch.no_grad():
        found = model.eval()(batch)
        text, rows = model.encode_text(batch.expressions), batch.frame_index
        memory = model.build_memory(model.encode_image(batch.images, valid_px=batch.valid_px).select(rows), text)
        tokens = model.decoder.generate(memory).tokens[:, :-1]
    assert torch.equal(found.presence_logit > 0, batch.has_target)
    assert (tokens == model.targets(batch)).float().mean() > 0.8
    assert (found.mask_logits > 0).flatten(1).any(1).tolist() == [True, False, True]


def batch_of(*masks: Tensor) -> ImageBatch:
    generator = torch.Generator().manual_seed(3)
    return ImageBatch(
        images=torch.randn(2, 3, 64, 64, generator=generator),
        valid_px=torch.tensor([[64, 64], [64, 60]]),
        expressions=("the red star", "the blue square", "a green circle")[: len(masks)],
        frame_index=torch.tensor([0, 0, 1])[: len(masks)],
        masks=torch.cat(masks),
    )


class WhereTensorsAreMade(TorchDispatchMode):
    """made: how many tensors operations gave; elsewhere: of these, what was not on the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.made, self.elsewhere = 0, []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self.made += len(tensors)
        self.elsewhere += [f"{func} on {leaf.device}" for leaf in tensors if leaf.device.type != "meta"]
        return out


def test_the_network_makes_no_tensor_on_another_device(model: SeqTR) -> None:
    """All of the model but tracing and filling outlines, which is numpy's."""
    model = model.to("meta").train()
    batch = batch_of(*torch.zeros(3, 64, 64).split(1)).to("meta")
    text = model.encode_text(batch.expressions)
    with WhereTensorsAreMade() as watched:
        stem = model.encode_stem(batch.images)
        image = model.encode_image(batch.images, stem=stem, valid_px=batch.valid_px).select(batch.frame_index)
        memory = model.build_memory(image, text)
        generated = model.decoder.generate(memory)
        logits = model.decoder(memory, generated.tokens[:, :-1])
        loss = token_loss(logits, generated.tokens, smoothing=0.1, end_weight=0.1)
    assert watched.elsewhere == [] and watched.made > 100
    assert loss.is_meta and loss.shape == ()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"channels": 18}, "channels: expected a multiple of heads (2) and of 4, got 18"),
        ({"points": 0}, "points: expected at least 1, got 0"),
        ({"smoothing": 1.5}, "smoothing: expected 0 to 1, got 1.5"),
        ({"read_drift": -1.0}, "read_drift: expected 0 or more, got -1"),
    ],
)
def test_configs_that_cannot_be_built(tiny_spec: Callable[..., ModelConfig], config: dict, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build_model(tiny_spec("seqtr", **config))
    assert message in str(error.value)


def test_the_published_sizes_are_the_defaults() -> None:
    with torch.device("meta"):
        model = cast(SeqTR, build_model(ModelConfig("seqtr", EncoderConfig("darknet53"), EncoderConfig("gru"))))
    assert model.config == SeqTRConfig() and model.size_multiple == 32
    assert model.text.channels == 1024 and model.vision.channels == (128, 256, 512, 1024)
    assert isinstance(model.sentence, torch.nn.Identity)


@torch.no_grad()
def test_darknet_is_a_pyramid() -> None:
    encoder = build_vision_encoder("darknet53", options={"width": 2, "blocks": [1, 1, 1, 1, 1]}).eval()
    levels = encoder(torch.randn(1, 3, 64, 96))
    assert [tuple(x.shape[1:]) for x in levels] == [(8, 16, 24), (16, 8, 12), (32, 4, 6), (64, 2, 3)]
    (stem, *_), _ = darknet53(2)
    assert list(stem._modules) == ["0", "1", "2", "3", "4"]
    for wrong in ({"width": 3}, {"blocks": [1, 2]}, {"wide": 4}):
        with pytest.raises(ConfigError, match="vision encoder 'darknet53': options"):
            build_vision_encoder("darknet53", options=wrong)
    with pytest.raises(ConfigError, match="through `rvos convert seqtr`"):
        build_vision_encoder("darknet53", pretrained=True)


@torch.no_grad()
def test_the_recurrent_encoder() -> None:
    encoder = build_gru_encoder(max_words=9, options={"embedding": 6, "hidden": 4})
    text = encoder(["the red star", "the big blue square on the left of the two circles", ""])
    assert text.words.shape == (3, 9, 8) and text.sentence.shape == (3, 8)
    assert not text.word_pad_mask.all(1).any()
    again = build_gru_encoder(max_words=9, tokenizer_json=encoder.tokenizer_json())
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(["the red star"]).sentence, encoder(["the red star"]).sentence)
    with pytest.raises(ConfigError, match="text encoder 'gru': options"):
        build_gru_encoder(options={"hiden": 3})
    with pytest.raises(ConfigError, match="no published weights"):
        build_model(ModelConfig("seqtr", EncoderConfig("tiny"), EncoderConfig("gru", pretrained=True)))
