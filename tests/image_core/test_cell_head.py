"""The head on the memory's cells, and the decoder's first input that is read from it: off in published models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from image_core.errors import ConfigError
from image_core.layers.transformer import Memory
from image_core.models.attention_consistency import layer_map, words_ignored
from image_core.models.cell_head import CellHead, cell_loss
from image_core.models.contour import contour_decoder
from image_core.models.description import ModelConfig
from image_core.models.safari import SafariConfig
from image_core.models.table import build_model

MakeSpec = Callable[..., ModelConfig]
C = 4


def memory(cells: tuple[int, int] | None = (2, 3)) -> Memory:
    """Two pictures of six cells and one word; the last column of the second picture is padding."""
    generator = torch.Generator().manual_seed(0)
    tokens, position = (torch.randn(2, 7, C, generator=generator) for _ in range(2))
    pad = torch.zeros(2, 7, dtype=torch.bool)
    pad[1, [2, 5]] = True
    return Memory(tokens, position, pad, cells)


@torch.no_grad()
def test_the_first_input_is_read_where_the_head_is_sure() -> None:
    head = CellHead(C, starts=True)
    assert head.start is not None
    head.logit.weight.zero_()
    torch.nn.init.eye_(head.start.weight)
    head.start.bias.zero_()
    read = head(memory())
    assert read.cell_logits is not None and read.cell_logits.shape == (2, 2, 3) and read.start is not None
    placed = memory().tokens + memory().position
    torch.testing.assert_close(read.start[0], placed[0, :6].mean(0))  # all cells alike: their mean, the word left out
    torch.testing.assert_close(read.start[1], placed[1, [0, 1, 3, 4]].mean(0))  # and padding
    head.logit.weight.copy_(1000 * torch.eye(C)[:1])
    sure = memory().tokens[0, :6, 0].argmax()
    torch.testing.assert_close(head(memory()).start[0], placed[0, sure])


def test_a_head_needs_cells() -> None:
    with pytest.raises(ValueError, match="expected a memory of an image"):
        CellHead(C, starts=False)(memory(None))


def test_the_loss_is_least_on_the_share_that_is_covered() -> None:
    masks = torch.zeros(2, 8, 12)
    masks[0, :4, :6] = 1  # cell (0, 0) whole, cell (0, 1) half
    right = torch.tensor([[[20.0, 0.0, -20.0], [-20.0, -20.0, -20.0]], [[-20.0] * 3] * 2])
    assert cell_loss(right, masks) < cell_loss(torch.zeros(2, 2, 3), masks) < cell_loss(-right, masks)
    empty = cell_loss(right[1:], masks[1:])
    assert empty < 1e-6  # without a target there is no dice


@torch.no_grad()
def test_the_decoder_begins_with_the_start_of_the_memory() -> None:
    config = SafariConfig(channels=C, heads=2, hidden=8, encoder_layers=1, decoder_layers=1, bins=6, points=2)
    decoder = contour_decoder(config).eval()
    plain, told = memory(), replace(memory(), start=torch.randn(2, C))
    first, _ = decoder.step(None, decoder.begin(plain))
    assert not torch.allclose(decoder.step(None, decoder.begin(told))[0], first)
    silent = replace(memory(), start=torch.zeros(2, C))
    torch.testing.assert_close(decoder.step(None, decoder.begin(silent))[0], first)
    tokens = torch.tensor([[1, 2], [3, 4]])
    cache, token, steps = decoder.begin(told), None, []
    for t in range(3):
        logits, cache = decoder.step(token, cache)
        steps.append(logits)
        token = tokens[:, t] if t < 2 else None
    torch.testing.assert_close(decoder(told, tokens), torch.stack(steps, 1))


@pytest.mark.parametrize("name", ["safari", "seqtr", "partial_res"])
def test_published_models_have_no_head(name: str, tiny_spec: MakeSpec) -> None:
    assert not any("cell_head" in key for key in build_model(tiny_spec(name)).state_dict())
    model = build_model(tiny_spec(name, cell_weight=1.0, start_from_cells=True))
    assert {k for k in model.state_dict() if "cell_head" in k} == {
        f"cell_head.{part}.{kind}" for part in ("logit", "start") for kind in ("weight", "bias")
    }


def test_a_start_needs_a_head(tiny_spec: MakeSpec) -> None:
    with pytest.raises(ConfigError, match="start_from_cells: expected a cell_weight above 0 with it, got 0: set it"):
        build_model(tiny_spec("safari", start_from_cells=True))


def test_the_first_token_alone_is_taught_to_look() -> None:
    """A landmark's word may look elsewhere."""
    pad, cells = torch.tensor([[False, False, True]]), torch.zeros(1, 4, dtype=torch.bool)
    assert words_ignored(pad, "all") is pad
    similarity = torch.randn(1, 2, 3, 4)  # of the text branch
    first = layer_map(similarity, words_ignored(pad, "first"), cells, "t2i")
    torch.testing.assert_close(first, similarity.softmax(-1).mean(1)[:, 0])
    assert not torch.allclose(layer_map(similarity, pad, cells, "t2i"), first)
