"""What Partial-RES adds to SeqTR: lines of the picture in its tokens, places for its queries, boxes before masks."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from image_core.convert.partial_res import PARTIAL_RES, partial_res_description
from image_core.convert.state_dicts import load_weights
from image_core.convert.table import PROJECTS
from image_core.data.collate import collate
from image_core.encoders.gru import build_gru_encoder
from image_core.encoders.vision import build_vision_encoder
from image_core.errors import ConfigError
from image_core.geometry.contours import largest_outline, quantise, rasterise
from image_core.layers.co_content import CoContent
from image_core.layers.point_attention import PointModulation, image_grid
from image_core.layers.sequence_decoder import CoordinateDecoder
from image_core.layers.transformer import Memory
from image_core.models.description import ModelConfig
from image_core.models.partial_res import PartialRES, PartialResConfig, box_tokens
from image_core.models.seqtr import SeqTR
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing
from image_core.synthetic.dataset import SyntheticImages
from image_core.types import ImageBatch

BINS, POINTS, CHANNELS, HEADS = 20, 5, 16, 2
CELLS, VALID = (4, 5), ((4, 5), (3, 2), (4, 1))
"""Cells of the memory, and how many rows and columns of each of its pictures are no padding."""

Spec = Callable[..., ModelConfig]


def memory_of(cells: tuple[int, int] = CELLS, valid: tuple[tuple[int, int], ...] = VALID) -> Memory:
    """Double precision, one more token behind the cells; what a cell holds does not depend on the padding."""
    generator = torch.Generator().manual_seed(1)
    grid, place, language = (
        torch.randn(len(VALID), n, CHANNELS, generator=generator, dtype=torch.float64) for n in (20, 20, 1)
    )
    (h, w), rows = cells, len(valid)
    pad_mask = torch.ones(rows, h, w, dtype=torch.bool)
    for i, (height, width) in enumerate(valid):
        pad_mask[i, :height, :width] = False
    keep = [r * CELLS[1] + c for r in range(h) for c in range(w)]
    tokens = torch.cat([grid[:rows, keep], language[:rows]], 1)
    position = torch.cat([place[:rows, keep], torch.zeros_like(language[:rows])], 1)
    return Memory(tokens, position, torch.nn.functional.pad(pad_mask.flatten(1), (0, 1)), cells)


def decoder_of(parts: bool = True) -> CoordinateDecoder:
    """Weights so large that the likeliest token changes from step to step."""
    torch.manual_seed(0)
    given: dict[str, Any] = {
        "task": torch.nn.Embedding(1, CHANNELS),
        "co_content": CoContent(BINS),
        "modulations": [PointModulation(CHANNELS, HEADS) for _ in range(3)],
    }
    built = CoordinateDecoder(
        channels=CHANNELS, heads=HEADS, hidden=32, layers=3, bins=BINS, points=POINTS, dropout=0.1,
        **(given if parts else {}),
    )  # fmt: skip
    for name, parameter in built.named_parameters():
        if parameter.ndim > 1 and "point" not in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return built.double().eval()


@pytest.fixture(scope="module")
def decoder() -> CoordinateDecoder:
    return decoder_of()


@pytest.fixture
def model(tiny_spec: Spec) -> PartialRES:
    torch.manual_seed(0)
    return cast(PartialRES, build_model(tiny_spec("partial_res", dropout=0.0)))


@pytest.mark.parametrize("transposed", [False, True])
def test_co_content_by_hand(transposed: bool) -> None:
    """An x reads the mean of its column, a y that of its row, padding left out; transposed, the other way round."""
    memory = memory_of()
    content = CoContent(BINS, transposed)
    tokens = torch.tensor([[0, 7, 19, 13, BINS], [5, 19, 10, 0, 3], [19, 19, 0, 11, BINS]])
    read = content.read(tokens, 0, content.lines(memory))
    for n, (height, width) in enumerate(VALID):
        picture = memory.tokens[n, :20].view(*CELLS, CHANNELS)
        for t, token in enumerate(tokens[n].tolist()):
            if (t % 2 == 0) != transposed:
                column = math.floor(token / BINS * (width - 1))
                wanted = sum(picture[row, column] for row in range(height)) / height
            else:
                row = math.floor(token / BINS * (height - 1))
                wanted = sum(picture[row, column] for column in range(width)) / width
            torch.testing.assert_close(read[n, t], wanted, msg=f"picture {n}, token {t}")
    late = content.read(tokens[:, 3:], 3, content.lines(memory))
    assert torch.equal(late, read[:, 3:]), "which axis a token is of depends on its number in the sequence"


def test_point_modulation_by_hand() -> None:
    torch.manual_seed(3)
    modulation, memory = PointModulation(CHANNELS, HEADS).double(), memory_of()
    queries = torch.randn(len(VALID), 4, CHANNELS, dtype=torch.float64)
    bias = modulation(queries, image_grid(memory))
    assert bias.shape == (3, HEADS, 4, 21) and (bias[..., 20] == 0).all(), "the sentence is nowhere"
    said = modulation.mlp(queries)
    for n, (height, width) in enumerate(VALID):
        for q in range(4):
            for head in range(HEADS):
                centre = said[n, q, 2 * head : 2 * head + 2].sigmoid().tolist()
                scale = said[n, q, 2 * HEADS + 2 * head : 2 * HEADS + 2 * head + 2].tolist()
                for cell in range(20):
                    x, y = cell % CELLS[1] + 0.5, cell // CELLS[1] + 0.5
                    wanted = (
                        scale[0] ** 2 * (centre[0] * width - x) ** 2 + scale[1] ** 2 * (centre[1] * height - y) ** 2
                    )
                    assert bias[n, head, q, cell].item() == pytest.approx(-wanted / 8, abs=1e-12)


def test_modulation_of_zero_is_plain_attention_and_would_never_learn(decoder: CoordinateDecoder) -> None:
    """Why it does not start there: the scale counts squared."""
    zero, plain = copy.deepcopy(decoder), decoder_of(parts=False)
    for name, parameter in zero.named_parameters():
        if ".point.mlp.4." in name:
            torch.nn.init.zeros_(parameter)
    assert zero.task is not None
    plain.task, plain.co_content = zero.task, zero.co_content
    own = {k: v for k, v in zero.state_dict().items() if ".point." not in k}
    plain.load_state_dict(own)
    tokens = torch.randint(0, BINS, (3, 2 * POINTS), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(zero(memory_of(), tokens), plain(memory_of(), tokens), rtol=1e-12, atol=1e-12)
    assert (zero(memory_of(), tokens) - decoder(memory_of(), tokens)).abs().max() > 1e-2

    def gradients(of: CoordinateDecoder) -> list[float]:
        of.zero_grad()
        of(memory_of(), tokens).log_softmax(-1)[..., 3].sum().backward()
        return [p.grad.abs().max().item() for n, p in of.named_parameters() if ".point." in n and p.grad is not None]

    assert set(gradients(zero)) == {0.0}
    assert min(gradients(copy.deepcopy(decoder))) > 0


@torch.no_grad()
def test_step_by_step_is_teacher_forcing_and_cached_is_the_whole_prefix(decoder: CoordinateDecoder) -> None:
    memory = memory_of()
    tokens = torch.randint(0, BINS + 1, (3, 2 * POINTS), generator=torch.Generator().manual_seed(2))
    cache, said = decoder.begin(memory), []
    for t in range(decoder.steps):
        logits, cache = decoder.step(tokens[:, t - 1] if t else None, cache)
        said.append(logits)
    torch.testing.assert_close(torch.stack(said, 1), decoder(memory, tokens), rtol=1e-10, atol=1e-10)

    generated = decoder.generate(memory, coordinates=2 * POINTS)
    assert (generated.tokens != decoder.end).all() and len(generated.tokens.unique()) > 5
    prefix = generated.tokens[:, :0]
    while prefix.shape[1] < 2 * POINTS:
        chosen = decoder(memory, prefix)[:, -1:, : decoder.end].argmax(-1)
        prefix = torch.cat([prefix, chosen], 1)
    assert torch.equal(prefix, generated.tokens)


@torch.no_grad()
def test_padding_of_the_image_changes_nothing(decoder: CoordinateDecoder) -> None:
    """Lines and places are of the picture, whatever it is batched with; what lies in the padding is not read."""
    tokens = torch.randint(0, BINS, (3, 2 * POINTS), generator=torch.Generator().manual_seed(4))
    together = decoder(memory_of(), tokens)
    for i, valid in enumerate(VALID):
        alone = memory_of(valid, (valid,) * 3)
        torch.testing.assert_close(together[i], decoder(alone, tokens)[i], rtol=1e-10, atol=1e-10)
    memory = memory_of()
    other = torch.where(memory.pad_mask[..., None], memory.tokens + 9, memory.tokens)
    changed = Memory(other, memory.position, memory.pad_mask, memory.cells)
    torch.testing.assert_close(decoder(changed, tokens), together, rtol=1e-12, atol=1e-12)


def test_a_memory_that_is_no_image_is_refused(decoder: CoordinateDecoder) -> None:
    memory = memory_of()
    blind = Memory(memory.tokens, memory.position, memory.pad_mask)
    with pytest.raises(ValueError, match="expected a memory of an image, got one without cells"):
        decoder.begin(blind)
    with pytest.raises(ValueError, match="expected a memory of an image, got one without cells"):
        image_grid(blind)


@torch.no_grad()
def test_the_sentence_is_the_last_token_of_the_memory(model: PartialRES) -> None:
    """Normalised together with the cells, over one group's channels and all tokens; no position, no padding."""
    model.eval()
    bare = copy.deepcopy(model)
    bare.encoder = torch.nn.ModuleList()
    image = model.encode_image(torch.randn(1, 3, 64, 96), valid_px=torch.tensor([[64, 60]]))
    text = model.encode_text(["the red star"])
    memory = bare.build_memory(image, text)
    assert memory.cells == (2, 3) and memory.tokens.shape == (1, 7, 16)
    assert memory.pad_mask.tolist() == [[False, False, True, False, False, True, False]]
    assert (memory.position[0, -1] == 0).all() and memory.position[0, :2].abs().amax(1).min() > 0.5

    conv, norm = model.to_tokens
    assert isinstance(conv, torch.nn.Conv2d) and isinstance(norm, torch.nn.GroupNorm)
    cells = model.join(image, text)[0].flatten(1).T
    seven = torch.cat([cells, torch.tanh(model.sentence(text.sentence))])
    assert conv.bias is not None
    mixed = seven @ conv.weight[:, :, 0, 0].T + conv.bias
    for group in range(norm.num_groups):
        width = 16 // norm.num_groups
        own = mixed[:, group * width : (group + 1) * width]
        wanted = (own - own.mean()) / (own.var(correction=0) + norm.eps).sqrt()
        torch.testing.assert_close(memory.tokens[0, :, group * width : (group + 1) * width], wanted)
    assert (model.build_memory(image, text).tokens - memory.tokens).abs().max() > 0.1


def test_points_of_a_pseudo_mask_are_sampled_evenly_again(model: PartialRES) -> None:
    """Five predicted corners, filled, give evenly spaced points of the outline and not the corners."""
    corners = np.array([[4, 4], [40, 6], [60, 30], [30, 60], [8, 50]])
    mask = rasterise([corners], (64, 64))
    outline = largest_outline(mask)
    even = outline[:: math.ceil(len(outline) / POINTS)]
    tokens = model.targets(batch_of(torch.from_numpy(mask)[None].float()))
    assert torch.equal(tokens[0].view(-1, 2)[: len(even)], torch.from_numpy(quantise(even, (64, 64), 24)))
    assert not np.array_equal(quantise(corners, (64, 64), 24), tokens[0].view(-1, 2).numpy())


def test_boxes_of_masks() -> None:
    masks = torch.zeros(3, 64, 96)
    masks[0, 8:30, 10:40] = 1
    masks[0, 50, 90] = 1  # another part
    masks[2, 5, 7] = 1
    found = box_tokens(masks, torch.tensor([[64, 96]] * 3), bins=192)
    assert found.tolist() == [[20, 24, 180, 150], [192] * 4, [14, 15, 14, 15]]


def test_a_box_is_answered_as_the_rectangle_it_fills(tiny_spec: Spec, model: PartialRES) -> None:
    boxes = cast(PartialRES, build_model(tiny_spec("partial_res", task="box", dropout=0.0)))
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (boxes, model)]
    assert shapes[0] == shapes[1], "the second stage starts from the first one's tensors"
    disc = torch.zeros(1, 64, 64)
    disc[0, 8:40, 20:30], disc[0, 20:30, 8:48] = 1, 1  # a cross
    batch = batch_of(disc)
    learn(boxes, batch, steps=50)
    prediction = boxes.train()(batch)
    assert prediction.extras.token_logits.shape == (1, 4, 25)
    assert torch.equal(prediction.extras.token_targets, boxes.targets(batch))
    with torch.no_grad():
        found = boxes.eval()(batch)
        text, features = boxes.encode_text(batch.expressions), boxes.encode_image(batch.images)
        tokens = boxes.decoder.generate(boxes.build_memory(features, text), coordinates=4).tokens
    box = torch.zeros(16, 16, dtype=torch.bool)
    box[2:10, 2:12] = True
    assert ((found.mask_logits[0] > 0) ^ box).sum() <= 18, "the box of the cross, to a bin (2.7 px) a side"
    assert tokens.shape == (1, 4)
    first, last = tokens[0].reshape(2, 2)
    assert (first < last).all(), "its first corner is at the upper left"


def test_the_model_can_overfit_one_synthetic_image(model: PartialRES) -> None:
    sample = SyntheticImages("train", 0, (64, 64), expressions_per_image=3)[0]
    batch = collate([sample], Preprocessing(64, "squash", 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)))
    learn(model, batch, steps=100)
    with torch.no_grad():
        found = model.eval()(batch)
        rows = batch.frame_index
        memory = model.build_memory(model.encode_image(batch.images).select(rows), model.encode_text(batch.expressions))
        tokens = model.decoder.generate(memory).tokens[:, :-1]
    assert (tokens == model.targets(batch)).float().mean() > 0.9
    assert torch.equal(found.presence_logit > 0, batch.has_target)


def learn(model: PartialRES, batch: ImageBatch, steps: int) -> None:
    optimiser = torch.optim.Adam(model.train().parameters(), lr=1e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        model.losses(model(batch), batch)["tokens"].backward()
        optimiser.step()


def batch_of(mask: Tensor) -> ImageBatch:
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    return ImageBatch(images, torch.tensor([[64, 64]]), ("the red star",), torch.tensor([0]), mask)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"task": "boxes"}, "PartialResConfig.task: expected one of mask, box, got 'boxes'"),
        ({"task": "box", "points": 1}, "PartialResConfig.points: expected at least 2, the corners of a box, got 1"),
        ({"points": 0}, "PartialResConfig.points: expected at least 1, got 0"),
    ],
)
def test_configs_that_cannot_be_built(tiny_spec: Spec, config: dict, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build_model(tiny_spec("partial_res", **config))
    assert message in str(error.value)


def test_published_names_have_a_place_to_go() -> None:
    """Key names of the release, written by hand; no weights of its segmentation model are published."""
    config = PartialResConfig(encoder_layers=1, cctf_transposed=True)
    with torch.device("meta"):
        vision, text = build_vision_encoder("darknet53"), build_gru_encoder(max_words=15)
        model = PartialRES(vision=vision, text=text, config=config)
        plain = SeqTR(vision=vision, text=text, config=config)
    added = model.state_dict().keys() - plain.state_dict().keys()
    sizes = {"task_prompt.weight": (1, 256)}
    for layer in range(3):
        for number, (wide, narrow) in {0: (128, 256), 2: (64, 128), 4: (32, 64)}.items():
            key = f"decoder.layers.{layer}.point.{number}"
            sizes |= {f"{key}.weight": (wide, narrow), f"{key}.bias": (wide,)}
    names = {f"head.transformer.{key}": torch.empty(size, device="meta") for key, size in sizes.items()}
    ours = PARTIAL_RES.rename_keys(names)
    assert ours.keys() == added
    load_weights(
        model, {k: v for k, v in plain.state_dict().items() if not k.startswith("presence_")} | ours, "by hand"
    )

    shapes = {
        "vis_enc.darknet.0.conv.weight": (32, 3, 3, 3),
        "lan_enc.embedding.weight": (50, 300),
        "lan_enc.lstm.weight_hh_l0": (1536, 512),
        "fusion.top_project.1.conv.weight": (1024, 1792, 1, 1),
        "head.transformer.query_embedding.weight": (1001, 256),
        "head.transformer.decoder.layers.0.linear1.weight": (1024, 256),
        "head.transformer.seq_positional_encoding.embedding.weight": (25, 256),
    }
    spec = partial_res_description({key: torch.empty(shape, device="meta") for key, shape in shapes.items()})
    assert spec.name == "partial_res"
    assert spec.config["cctf_transposed"] and spec.config["points"] == 12 and spec.config["bin_offset"] == 0.0
    assert "partial_res" in PROJECTS and "heads" not in spec.config, "as published"
    shapes["head.transformer.decoder.layers.0.point.4.weight"] = (16, 64)
    spec = partial_res_description({key: torch.empty(shape, device="meta") for key, shape in shapes.items()})
    assert spec.config["heads"] == 4
