"""The parts of S2RM, by hand: who hears whom in coparsing, what balancing may do, what the blocks compute."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from image_core.errors import ConfigError
from image_core.layers.blocks import (
    attend,
    mask_score,
    merge_heads,
    presence_from_mask,
    resize_to,
    sine_position_2d,
    split_heads,
)
from image_core.losses import at_size
from image_core.models.description import ModelConfig
from image_core.models.recurrent_mining import (
    Balancing,
    Coparsing,
    LanguageDistribution,
    OffsetCode,
    Update,
    shifted_rows,
)
from image_core.models.s2rm import CASGStage, RecurrentMining, S2RMConfig
from image_core.models.table import build_model
from image_core.types import TextFeatures

UPDATES: tuple[Update, ...] = ("overwrite", "gated", "accumulate", "side_by_side")
C, HEADS = 8, 2


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def coparsing(update: Update, max_steps: int) -> Coparsing:
    return Coparsing(C, HEADS, max_steps, update).double()


def maps(n: int, h: int, w: int) -> tuple[Tensor, Tensor]:
    return torch.randn(n, C, h, w, dtype=torch.float64), torch.randn(n, C, h, w, dtype=torch.float64)


@pytest.mark.parametrize(("h", "shift", "steps"), [(4, 1, 4), (6, 2, 3), (7, 2, 4), (10, 3, 4), (5, 1, 1), (1, 1, 1)])
def test_rolled_is_torch_roll(h: int, shift: int, steps: int) -> None:
    x = torch.randn(2, h, 3, 4)
    expected = torch.stack([torch.roll(x, t * shift, dims=1) for t in range(steps)], dim=2)
    assert torch.equal(shifted_rows(x, shift, steps), expected)


@pytest.mark.parametrize(
    ("h", "max_steps", "offsets"),
    # which rows below (cyclically) are heard: all; or, with shift = ceil(h / max_steps), ceil(h / shift) of them
    [
        (5, 1, [0]),
        (5, 0, [0, 1, 2, 3, 4]),
        (9, 0, list(range(9))),
        (5, 5, [0, 1, 2, 3, 4]),
        (5, 9, [0, 1, 2, 3, 4]),
        (8, 4, [0, 2, 4, 6]),
        (10, 4, [0, 3, 6, 9]),
    ],
)
@pytest.mark.parametrize("update", UPDATES)
def test_which_rows_a_cell_attends_to(update: Update, h: int, max_steps: int, offsets: list[int]) -> None:
    """Every row when the shifts cover the axis one by one; its own alone without shift; always the whole row."""
    generator, parsed = maps(1, h, 3)
    generator.requires_grad_()
    row, column = 1, 2
    coparsing(update, max_steps)(generator, parsed)[0, 3, row, column].backward()
    assert generator.grad is not None
    heard = generator.grad.abs().sum((0, 1))
    rows = sorted((row - offset) % h for offset in offsets)
    assert [i for i in range(h) if (heard[i] > 1e-12).all()] == rows
    assert [i for i in range(h) if (heard[i] > 1e-12).any()] == rows


@pytest.mark.parametrize("max_steps", [0, 3])
@pytest.mark.parametrize("update", UPDATES)
def test_the_wrap_has_no_seam(update: Update, max_steps: int) -> None:
    """Rolling both maps rolls the result, by any number of rows: no row is the first."""
    generator, parsed = maps(2, 7, 4)
    coparse = coparsing(update, max_steps)
    for by in (1, 5):
        moved = coparse(generator.roll(by, 2), parsed.roll(by, 2))
        torch.testing.assert_close(moved, coparse(generator, parsed).roll(by, 2))


@pytest.mark.parametrize("update", ["accumulate", "side_by_side"])
def test_all_shifts_together_do_not_see_the_order_of_rows(update: Update) -> None:
    """With a shift for every row a rolled generator is the same set of slices; only the shift code tells them apart."""
    generator, parsed = maps(1, 5, 4)
    coparse = coparsing(update, 5)
    if update == "side_by_side":
        assert not torch.allclose(coparse(generator.roll(2, 2), parsed), coparse(generator, parsed))
        nn.init.zeros_(coparse.shift_code)
    torch.testing.assert_close(coparse(generator.roll(2, 2), parsed), coparse(generator, parsed))


def test_a_distance_has_one_code_at_every_size() -> None:
    """Half way round is half way round, of six rows or of ten."""
    code = OffsetCode(4, bias=False)
    torch.testing.assert_close(code(6)[3], code(10)[5])
    torch.testing.assert_close(code(4)[::2], code(8)[::4])
    codes = code(30)
    assert (torch.cdist(codes, codes) + torch.eye(30)).min() > 1e-3  # no two of 30 rows share one


def test_no_copy_of_the_keys_is_the_same_as_copies_with_codes() -> None:
    """The keys of each shifted row carry its code, as the lattice has it."""
    n, h, w = 2, 5, 3
    generator, parsed = maps(n, h, w)
    whole, lattice = coparsing("side_by_side", 0), coparsing("side_by_side", h)
    nn.init.normal_(whole.offset_code.linear.weight)
    lattice.load_state_dict(
        {k: v for k, v in whole.state_dict().items() if "code" not in k} | {"shift_code": whole.offset_code(h).detach()}
    )
    torch.testing.assert_close(whole(generator, parsed), lattice(generator, parsed))


@pytest.mark.parametrize(("h", "w"), [(15, 15), (9, 16)])
@pytest.mark.parametrize("update", UPDATES)
def test_a_cell_attends_to_the_whole_map_by_default(update: Update, h: int, w: int) -> None:
    """Through the mining of a level, without what its convolution adds."""
    config = S2RMConfig(channels=C, heads=HEADS, update=update)
    assert config.max_steps[1:] == (0, 0)
    mining = RecurrentMining(config, text_channels=4, max_steps=0).double().eval()
    mining.join = nn.Identity()  # type: ignore[assignment]
    mining.distribution.join = nn.Identity()  # type: ignore[assignment]
    vision = torch.randn(1, C, h, w, dtype=torch.float64, requires_grad=True)
    text = TextFeatures(torch.randn(1, 3, 4).double(), torch.randn(1, 4).double(), torch.zeros(1, 3, dtype=torch.bool))
    mining(vision, text)[0, 1, 2, 3].backward()
    assert vision.grad is not None and (vision.grad.abs().sum((0, 1)) > 1e-12).all()


def test_side_by_side_over_all_rows_is_global_attention() -> None:
    n, h, w = 2, 5, 3
    generator, parsed = maps(n, h, w)
    coparse = coparsing("side_by_side", h)
    nn.init.zeros_(coparse.shift_code)
    tokens = parsed.flatten(2).transpose(1, 2)
    q = coparse.to_q(tokens).view(n, h * w, HEADS, -1).transpose(1, 2)
    k, v = coparse.to_kv(generator.flatten(2).transpose(1, 2)).view(n, h * w, 2, HEADS, -1).permute(2, 0, 3, 1, 4)
    heard = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, h * w, C)
    expected = F.layer_norm(tokens + coparse.out(heard), (C,)).transpose(1, 2).view(n, C, h, w)
    torch.testing.assert_close(coparse(generator, parsed), expected)


def _messages(coparse: Coparsing, generator: Tensor, shift: int):
    """Row by row and shift by shift, as the docstring says it: (step, rows (N, h, w, C)) -> message."""
    k, v = coparse.to_kv(generator.permute(0, 2, 3, 1)).chunk(2, -1)

    def message(t: int, queries: Tensor) -> Tensor:
        n, h, w, _ = queries.shape
        out = torch.empty_like(queries)
        for i in range(h):
            q, keys, values = (
                x.reshape(n, w, HEADS, -1).transpose(1, 2)
                for x in (coparse.to_q(queries[:, i]), k[:, (i - t * shift) % h], v[:, (i - t * shift) % h])
            )
            weights = (q @ keys.transpose(-1, -2) / math.sqrt(C // HEADS)).softmax(-1)
            out[:, i] = coparse.out((weights @ values).transpose(1, 2).reshape(n, w, C))
        return out

    return message


@pytest.mark.parametrize("update", ["overwrite", "gated", "accumulate"])
def test_the_recurrence_row_by_row(update: Update) -> None:
    generator, parsed = maps(1, 6, 3)
    coparse = coparsing(update, 3)  # shift 2, three steps
    message = _messages(coparse, generator, shift=2)
    y = parsed.permute(0, 2, 3, 1)
    if update == "overwrite":
        for t in range(3):
            y = coparse.norm(y + message(t, y))
    elif update == "accumulate":
        y = coparse.norm(y + (message(0, y) + message(1, y) + message(2, y)) / 3)
    else:
        assert isinstance(coparse.gate, Tensor)
        nn.init.uniform_(coparse.gate)
        for t in range(3):
            y = y + coparse.gate[t] * message(t, coparse.query_norm(y))
        y = coparse.norm(y)
    torch.testing.assert_close(coparse(generator, parsed), y.permute(0, 3, 1, 2))


@pytest.mark.parametrize(("axes", "direction"), [(("row",), "l2v"), (("column",), "l2v"), (("row", "column"), "v2l")])
def test_rows_are_rows_and_columns_are_columns(axes: tuple[str, ...], direction: str) -> None:
    """Without shift a cell of the fused map hears its own row, its own column, or both."""
    config = S2RMConfig(channels=C, heads=HEADS, axes=axes, directions=(direction,), balancing="none", position=False)
    mining = RecurrentMining(config, text_channels=4, max_steps=1).double().eval()
    mining.join = nn.Identity()  # type: ignore[assignment]  # its 3x3 convolution would reach the neighbours,
    mining.distribution.join = nn.Identity()  # type: ignore[assignment]  # and its ReLU may let nothing through
    vision = torch.randn(1, C, 4, 5, dtype=torch.float64, requires_grad=True)
    text = TextFeatures(torch.randn(1, 3, 4).double(), torch.randn(1, 4).double(), torch.zeros(1, 3, dtype=torch.bool))
    mining(vision, text)[0, 1, 2, 3].backward()
    assert vision.grad is not None
    expected = torch.zeros(4, 5, dtype=torch.bool)
    if "row" in axes:
        expected[2] = True
    if "column" in axes:
        expected[:, 3] = True
    assert torch.equal(vision.grad.abs().sum((0, 1)) > 1e-12, expected)


def test_language_is_distributed_without_a_product_with_the_image() -> None:
    """Words that all mean the same give every place the same, whatever it looks like; padding is not read."""
    part = LanguageDistribution(C, 6, HEADS).eval()
    word = torch.randn(1, 1, 6)
    vision = torch.randn(1, C, 3, 4)
    sentence, pad = torch.zeros(1, 6), torch.zeros(1, 5, dtype=torch.bool)
    out = part(vision, TextFeatures(word.expand(1, 5, 6), sentence, pad))
    torch.testing.assert_close(out, out[:, :, :1, :1].expand_as(out))
    padded = torch.cat([word.expand(1, 2, 6), torch.randn(1, 3, 6)], dim=1)
    pad = torch.tensor([[False, False, True, True, True]])
    torch.testing.assert_close(part(vision, TextFeatures(padded, sentence, pad)), out)


@torch.no_grad()
@pytest.mark.parametrize(
    ("update", "steps"), [("side_by_side", 0), ("side_by_side", 2), ("gated", 0), ("accumulate", 2)]
)
def test_features_of_the_image_serve_every_expression_exactly(update: Update, steps: int) -> None:
    config = S2RMConfig(channels=C, heads=HEADS, update=update)
    mining = RecurrentMining(config, text_channels=4, max_steps=steps).eval()
    vision = torch.randn(1, C, 4, 5)
    made = mining.image_only(vision)
    for _ in range(2):
        text = TextFeatures(torch.randn(1, 3, 4), torch.randn(1, 4), torch.zeros(1, 3, dtype=torch.bool))
        assert torch.equal(mining.mine(vision, made, text), mining(vision, text))


@pytest.mark.parametrize("per_channel", [True, False])
def test_balancing_weighs_and_nothing_else(per_channel: bool) -> None:
    balancing = Balancing(3, C, per_channel)
    groups = [torch.randn(2, C, 4, 5) for _ in range(3)]
    weights = torch.stack([out / x for out, x in zip(balancing(groups), groups, strict=True)])
    assert ((weights > 0) & (weights < 1)).all()
    torch.testing.assert_close(weights, weights[..., :1, :1].expand_as(weights))  # one weight for all places
    spread = (weights.amax(2) - weights.amin(2)).max()  # over channels
    assert spread > 1e-3 if per_channel else spread < 1e-5


def test_the_deepest_stage_and_the_gates_of_the_decoder() -> None:
    level, deeper, sentence = torch.randn(2, 6, 4, 6), torch.randn(2, C, 2, 3), torch.randn(2, 5)
    stage = CASGStage(6, C, 5, out=7, attention=True).eval()
    assert stage(level, deeper, sentence).shape == (2, 7, 4, 6)
    assert not torch.allclose(stage(level, deeper, sentence), stage(level, deeper, -sentence))
    plain = CASGStage(6, C, 5, out=7, attention=False).eval()
    assert torch.equal(plain(level, deeper, sentence), plain(level, deeper, -sentence))
    assert {name.split(".")[0] for name, _ in plain.named_parameters()} == {"mix"}


def test_masks_at_the_size_of_the_logits() -> None:
    masks = torch.zeros(1, 8, 8)
    masks[0, :2, :4] = 1
    expected = torch.tensor([[[0.5, 0.0], [0.0, 0.0]]])
    assert torch.equal(at_size(masks, torch.empty(1, 2, 2)), expected)


def test_attend_is_the_attention_of_torch() -> None:
    q, k, v = (torch.randn(2, HEADS, n, 4) for n in (3, 5, 5))
    pad = torch.zeros(2, 1, 1, 5, dtype=torch.bool)
    pad[0, ..., 3:] = True
    torch.testing.assert_close(attend(q, k, v), F.scaled_dot_product_attention(q, k, v))
    torch.testing.assert_close(attend(q, k, v, pad), F.scaled_dot_product_attention(q, k, v, attn_mask=~pad))


def test_heads_are_split_and_merged() -> None:
    x = torch.randn(2, 3, 8)
    assert torch.equal(split_heads(x, 2)[:, 1], x[..., 4:])
    assert torch.equal(merge_heads(split_heads(x, 4)), x)


def test_positions() -> None:
    def code(h: int, w: int) -> Tensor:
        return sine_position_2d(16, h, w, device=torch.device("cpu"), dtype=torch.float64)

    field = code(5, 7)
    assert field.shape == (1, 16, 5, 7) and field.abs().max() <= 1
    assert torch.equal(field[0, :8, :, 0], field[0, :8, :, 6])  # the first half tells y alone,
    assert torch.equal(field[0, 8:, 0], field[0, 8:, 4])  # the second x alone
    cells = field[0].flatten(1).T
    assert torch.cdist(cells, cells).fill_diagonal_(1).min() > 1e-2  # no two places share a code
    torch.testing.assert_close(code(3, 3)[..., 1, 1], code(9, 5)[..., 4, 2])  # the middle, at any resolution
    with pytest.raises(ValueError, match="expected channels in multiples of 4, got 18"):
        sine_position_2d(18, 2, 2, device=torch.device("cpu"), dtype=torch.float32)


def test_resizing_to_the_same_size_gives_the_tensor_itself() -> None:
    x = torch.randn(1, 2, 3, 4)
    assert resize_to(x, torch.empty(1, 9, 3, 4)) is x
    assert resize_to(x, torch.empty(1, 1, 6, 8)).shape == (1, 2, 6, 8)


def test_presence_is_the_mean_of_the_strongest_cells() -> None:
    logits = torch.full((2, 20, 20), -5.0)  # 400 cells: the strongest 0.5 % are two
    logits[0, 3, 3], logits[0, 9, 9] = 4.0, 2.0
    assert presence_from_mask(logits).tolist() == [3.0, -5.0]
    assert presence_from_mask(torch.tensor([[[-1.0, 7.0]]])).tolist() == [7.0]  # at least one cell


def test_score_is_the_mean_probability_inside() -> None:
    sure, half = math.log(9.0), math.log(3.0)  # probabilities 0.9 and 0.75
    logits = torch.tensor([[[sure, half], [-3.0, -8.0]], [[-1.0, -1.0], [-1.0, -1.0]]])
    torch.testing.assert_close(mask_score(logits), torch.tensor([(0.9 + 0.75) / 2, 0.0]))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"max_steps": (4, 4)}, "max_steps: expected a number >= 0 for each of (8, 16, 32), got (4, 4)"),
        ({"max_steps": 4}, "max_steps: expected a list of whole numbers, got 4"),
        ({"directions": ("l2l",)}, "directions: expected one or more of ['l2v', 'v2l'], got ('l2l',)"),
        ({"axes": ()}, "axes: expected one or more of ['column', 'row'], got ()"),
        ({"update": "gate"}, "update: expected one of overwrite, gated, accumulate, side_by_side, got 'gate'"),
        ({"balancing": "chanel"}, "balancing: expected one of channel, group, none, got 'chanel'"),
        ({"channels": 18, "heads": 4}, "channels: expected a multiple of heads (4), got 18"),
        ({"channels": 18, "heads": 3}, "and of 4, for sine positions"),
        ({"fused_strides": (32, 16, 8)}, "fused_strides: expected rising strides, got (32, 16, 8)"),
        ({"fused_strides": (8, 16, 64)}, "got encoder strides (4, 8, 16, 32) and fused_strides (8, 16, 64)"),
        (
            {"fused_strides": (8, 16), "max_steps": (4, 4)},
            "got encoder strides (4, 8, 16, 32) and fused_strides (8, 16)",
        ),
    ],
)
def test_configs_that_cannot_be_built(tiny_spec: Callable[..., ModelConfig], config: dict, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build_model(tiny_spec(**config))
    assert message in str(error.value) and "\n" not in str(error.value)
