"""The coordinate decoder: its cache changes nothing, and nothing of it stays in the module."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from image_core.layers.sequence_decoder import CoordinateDecoder
from image_core.layers.transformer import EncoderLayer, Memory, sine_position_of_valid

BINS, POINTS, CHANNELS = 20, 5, 16


@pytest.fixture(scope="module")
def decoder() -> CoordinateDecoder:
    torch.manual_seed(0)
    built = CoordinateDecoder(channels=CHANNELS, heads=2, hidden=32, layers=3, bins=BINS, points=POINTS, dropout=0.1)
    for parameter in built.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.5)  # so that the likeliest token changes from step to step
    return built.eval()


def memory_of(rows: int = 6, seed: int = 1, dtype: torch.dtype = torch.float32) -> Memory:
    generator = torch.Generator().manual_seed(seed)
    tokens, position = (torch.randn(rows, 12, CHANNELS, generator=generator).to(dtype) for _ in range(2))
    pad_mask = torch.zeros(rows, 12, dtype=torch.bool)
    pad_mask[1::2, 9:] = True
    return Memory(tokens, position, pad_mask)


def greedy_from_the_prefix(decoder: CoordinateDecoder, memory: Memory) -> tuple[Tensor, Tensor]:
    """Without a cache: every step runs all tokens so far again. Ends are not held."""
    tokens = torch.zeros(len(memory.tokens), 0, dtype=torch.long)
    while True:
        logits = decoder(memory, tokens)
        if tokens.shape[1] == decoder.steps - 1:
            return torch.cat([tokens, logits[:, -1:].argmax(-1)], 1), logits
        tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], 1)


@torch.no_grad()
def test_cached_is_uncached(decoder: CoordinateDecoder) -> None:
    """In double precision: these weights are large, and so would be what single precision rounds off."""
    double, memory = copy.deepcopy(decoder).double(), memory_of(dtype=torch.float64)
    generated = double.generate(memory)
    tokens, logits = greedy_from_the_prefix(double, memory)
    assert generated.tokens.shape == (6, 2 * POINTS + 1) and len(generated.tokens.unique()) > 5
    running = (generated.tokens == BINS).cumsum(1) <= 1  # up to and with the first end
    assert torch.equal(generated.tokens[running], tokens[running])
    torch.testing.assert_close(generated.logits[running], logits[running], rtol=1e-6, atol=1e-6)


@torch.no_grad()
def test_teacher_forcing_is_step_by_step(decoder: CoordinateDecoder) -> None:
    double = copy.deepcopy(decoder).double()
    memory = memory_of(dtype=torch.float64)
    tokens = torch.randint(0, BINS + 1, (6, 2 * POINTS), generator=torch.Generator().manual_seed(2))
    forced = double(memory, tokens)
    cache, said = double.begin(memory), []
    for t in range(2 * POINTS + 1):
        logits, cache = double.step(tokens[:, t - 1] if t else None, cache)
        said.append(logits)
    torch.testing.assert_close(torch.stack(said, 1), forced, rtol=1e-10, atol=1e-10)
    assert cache.steps == double.steps and cache.past[0][0].shape[2] == double.steps


@torch.no_grad()
def test_a_token_does_not_depend_on_later_ones(decoder: CoordinateDecoder) -> None:
    tokens = torch.randint(0, BINS, (6, 2 * POINTS), generator=torch.Generator().manual_seed(3))
    changed = tokens.clone()
    changed[:, 4:] = (changed[:, 4:] + 7) % BINS
    a, b = decoder(memory_of(), tokens), decoder(memory_of(), changed)
    torch.testing.assert_close(a[:, :5], b[:, :5])
    assert (a[:, 5:] - b[:, 5:]).abs().amax((0, 2)).min() > 1e-3


@torch.no_grad()
def test_padding_of_the_memory_is_not_looked_at(decoder: CoordinateDecoder) -> None:
    memory = memory_of()
    other = torch.where(memory.pad_mask[..., None], memory.tokens + 9, memory.tokens)
    changed = decoder.generate(Memory(other, memory.position, memory.pad_mask))
    assert torch.equal(changed.logits, decoder.generate(memory).logits)


@torch.no_grad()
def test_rows_are_independent_and_no_state_stays_between_calls(decoder: CoordinateDecoder) -> None:
    memory = memory_of()
    before = {k: v.clone() for k, v in decoder.state_dict().items()}
    attributes = {name: set(vars(module)) for name, module in decoder.named_modules()}
    together = decoder.generate(memory)
    decoder.generate(memory_of(2, seed=9))
    assert torch.equal(decoder.generate(memory).logits, together.logits)
    assert {name: set(vars(module)) for name, module in decoder.named_modules()} == attributes
    assert all(torch.equal(v, decoder.state_dict()[k]) for k, v in before.items())
    for i in range(3):
        row = decoder.generate(Memory(memory.tokens[[i]], memory.position[[i]], memory.pad_mask[[i]]))
        assert torch.equal(row.tokens[0], together.tokens[i])


@torch.no_grad()
def test_an_old_cache_can_be_gone_on_from_again(decoder: CoordinateDecoder) -> None:
    _, first = decoder.step(None, decoder.begin(memory_of()))
    token = torch.arange(6)
    once, _ = decoder.step(token, first)
    decoder.step(token + 3, first)
    again, _ = decoder.step(token, first)
    assert torch.equal(once, again) and first.steps == 1


@torch.no_grad()
def test_an_ended_row_stays_ended(decoder: CoordinateDecoder) -> None:
    ending = copy.deepcopy(decoder)
    ending.head[-1].bias[BINS] += 6  # pyright: ignore[reportIndexIssue, reportOperatorIssue]
    tokens = ending.generate(memory_of(40)).tokens
    ended = tokens == BINS
    assert ended.any(1).any() and not ended[:, 0].all(), "some rows must end on the way for this test"
    assert (ended.long().diff(dim=1) >= 0).all()


def test_a_step_attends_with_one_query(decoder: CoordinateDecoder) -> None:
    """The cost that the cache saves: no attention of a later step has more than one query."""
    queries: list[int] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is torch.nn.functional.scaled_dot_product_attention:
                queries.append(args[0].shape[2])
            return func(*args, **(kwargs or {}))

    with Watch(), torch.no_grad():
        decoder.generate(memory_of())
    assert set(queries) == {1} and len(queries) == 2 * 3 * decoder.steps


def test_what_cannot_be(decoder: CoordinateDecoder) -> None:
    memory = memory_of()
    with pytest.raises(ValueError, match="expected at most 11 steps, got 12"):
        decoder(memory, torch.zeros(6, 2 * POINTS + 1, dtype=torch.long))
    with pytest.raises(ValueError, match="step 0: expected no token, got one"):
        decoder.step(torch.zeros(6, dtype=torch.long), decoder.begin(memory))
    with pytest.raises(ValueError, match="expected channels in multiples of 4, got"):
        sine_position_of_valid(torch.zeros(1, 2, 2, dtype=torch.bool), 6, torch.float32)


def test_positions_do_not_know_of_padding() -> None:
    whole = sine_position_of_valid(torch.zeros(1, 3, 4, dtype=torch.bool), 8, torch.float32)
    padded = torch.ones(1, 5, 6, dtype=torch.bool)
    padded[:, :3, :4] = False
    inside = sine_position_of_valid(padded, 8, torch.float32).view(5, 6, 8)[:3, :4].reshape(1, 12, 8)
    torch.testing.assert_close(inside, whole)
    assert len(whole[0].unique(dim=0)) == 12


@torch.no_grad()
def test_the_encoder_does_not_look_at_padding() -> None:
    layer = EncoderLayer(CHANNELS, 2, 32, 0.1).eval()
    memory = memory_of()
    other = torch.where(memory.pad_mask[..., None], memory.tokens + 9, memory.tokens)
    a, b = (layer(x, memory.position, memory.pad_mask) for x in (memory.tokens, other))
    assert torch.equal(a[~memory.pad_mask], b[~memory.pad_mask])
