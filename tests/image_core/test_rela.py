"""ReLA: its parts by hand, its figures against the release's, and its checkpoints all the way to a model file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from image_core.checkpoint import load_model
from image_core.convert.options import ConvertOptions
from image_core.convert.rela import NEVER_LOADED, RELA, convert_rela, rela_description
from image_core.convert.state_dicts import load_weights
from image_core.errors import CheckpointError, ConfigError
from image_core.layers.deformable_attention import DeformableAttention, cells_of
from image_core.models.description import ModelConfig
from image_core.models.rela import Rela, class_difference, downsample_masks
from image_core.models.rela_regions import outside_own_square
from image_core.models.table import build_model
from image_core.types import ImageBatch
from tests.image_core.published_models import read_words

Spec = Callable[..., ModelConfig]


@torch.no_grad()
def test_deformable_attention_is_grid_sampling() -> None:
    """Place by place with torch's own sampler, zeros outside, at places far beyond the border too."""
    torch.manual_seed(0)
    layer = DeformableAttention(8, heads=2, levels=2, points=3)
    for parameter in layer.parameters():
        parameter.normal_(0, 1)
    layer.offsets.bias.normal_(0, 4)
    sizes = [(3, 4), (5, 2)]
    cells = cells_of(sizes, torch.device("cpu"))
    count = 22
    query, x = torch.randn(2, count, 8), torch.randn(2, count, 8)
    offsets = layer.offsets(query).view(2, count, 2, 2, 3, 2)
    share = layer.weights(query).view(2, count, 2, 6).softmax(-1).view(2, count, 2, 2, 3)
    values = layer.values(x).view(2, count, 2, 4)
    read = torch.zeros(2, count, 2, 4)
    for n in range(2):
        for head in range(2):
            for level, ((h, w), start) in enumerate(zip(sizes, (0, 12), strict=True)):
                plane = values[n, start : start + h * w, head].T.reshape(1, 4, h, w)
                where = cells.centres[:, None] + offsets[n, :, head, level] / torch.tensor([w, h])
                seen = F.grid_sample(plane, 2 * where[None] - 1, mode="bilinear", align_corners=False)[0]
                read[n, :, head] += (seen * share[n, :, head, level]).sum(-1).T
    torch.testing.assert_close(layer(query, x, cells), layer.out(read.flatten(2)), rtol=1e-4, atol=1e-4)


def test_each_head_begins_with_its_own_direction() -> None:
    ways = DeformableAttention(8, heads=4, levels=1, points=2).offsets.bias.view(4, 2, 2)
    expected = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    torch.testing.assert_close(ways[:, 0], expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(ways[:, 1], 2 * expected, rtol=0, atol=1e-6)


def test_squares_of_the_hard_split() -> None:
    """Two by two regions over 2 x 4 cells: each sees the two of its quarter."""
    assert (~outside_own_square(2, (2, 4), torch.device("cpu"))).int().tolist() == [
        [1, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1, 1],
    ]


def test_a_minimap_cell_is_true_where_all_around_its_centre_is() -> None:
    mask = torch.zeros(1, 20, 20)
    mask[0, :10, :10] = 1
    mask[0, 4, 4] = 0  # beside the centre of the first cell of 10
    assert downsample_masks(mask, 2).tolist() == [[[0.0, 0.0], [0.0, 0.0]]]
    mask[0, 4, 4], mask[0, 0, 0] = 1, 0
    assert downsample_masks(mask, 2).tolist() == [[[1.0, 0.0], [0.0, 0.0]]]


def test_log_odds_of_two_classes_and_of_one() -> None:
    logits = torch.randn(2, 5, 2)
    torch.testing.assert_close(class_difference(logits, 2).sigmoid(), logits.softmax(2)[..., 1])
    assert torch.equal(class_difference(logits[..., :1], 2), logits[..., 0])


@pytest.mark.parametrize("form", ["release", "paper"])
def test_the_three_terms_of_the_loss(tiny_spec: Spec, form: str) -> None:
    """Against torch's own cross-entropy of two classes, with the published weights."""
    torch.manual_seed(0)
    model = cast(Rela, build_model(tiny_spec("rela", form=form))).train()
    masks = torch.zeros(2, 64, 64)
    masks[0, 10:50, 20:60] = 1
    batch = ImageBatch(
        torch.randn(1, 3, 64, 64), torch.tensor([[64, 64]]), ("the red star", "a dog"), torch.tensor([0, 0]), masks
    )
    prediction = model(batch)
    terms = model.losses(prediction, batch)
    weight = torch.tensor([0.9, 1.1])

    def entropy(log_odds: Tensor, truth: Tensor) -> Tensor:
        both = torch.stack([torch.zeros_like(log_odds), log_odds], 1)
        return F.cross_entropy(both, truth.long(), weight=weight)

    full = F.interpolate(prediction.mask_logits[:, None], size=(64, 64), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(terms["mask"], 5 * entropy(full, masks))
    torch.testing.assert_close(terms["absent"], 0.5 * entropy(-prediction.presence_logit, torch.tensor([0, 1])))
    if form == "release":
        small = F.interpolate(masks[:, None], size=(3, 3), mode="bilinear", align_corners=False)[:, 0].long()
        torch.testing.assert_close(terms["minimap"], 0.5 * entropy(prediction.extras.minimap_logits, small))


@pytest.mark.parametrize("side", [4, 8, 10, 12])
@torch.no_grad()
def test_regions_of_every_published_number(tiny_spec: Spec, side: int) -> None:
    model = cast(Rela, build_model(tiny_spec("rela", minimap=side))).eval()
    text = model.encode_text(["the red star"])
    said = model.predict_regions(model.encode_image(torch.randn(1, 3, 32, 64), text), text)
    assert said.masks.shape == (1, side * side, 8, 16) and said.minimap.shape == (1, side * side, 2)
    assert said.target.shape == (1, 2, 8, 16)
    # What is meant is the sum of the regions' masks, each with what its minimap cell says.
    expected = torch.einsum("nrk,nrhw->nkhw", said.minimap, said.masks)
    torch.testing.assert_close(said.target, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_region_that_is_nowhere_looks_everywhere(tiny_spec: Spec) -> None:
    model = cast(Rela, build_model(tiny_spec("rela"))).eval()
    last = cast(torch.nn.Linear, model.regions.mask[-1])
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, -1.0)
    features = torch.ones(1, 48, 8, 8)
    unseen = model.regions._attention_mask(torch.randn(1, 9, 48), features, (2, 2))
    assert not unseen.any()


def test_several_targets_are_candidates_each(tiny_spec: Spec) -> None:
    """A mask in two parts is an answer of two candidates, and the no-target head takes both away."""
    from image_core.answer import DenseMap, MaskAnswer

    log_odds = np.full((16, 16), -4.0, np.float32)
    log_odds[2:6, 2:6] = log_odds[9:14, 9:14] = 4
    answer = MaskAnswer.of_map(DenseMap(log_odds, 4, (64, 64)), 0.9, 0.8)
    assert len(answer.candidates) == 2 and answer.mask((64, 64)).sum() > 600
    assert not MaskAnswer.of_map(DenseMap(log_odds, 4, (64, 64)), 0.1, 0.8).mask((64, 64)).any()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"form": "code"}, "RelaConfig.form: expected one of release, paper, got 'code'"),
        ({"channels": 30}, "RelaConfig.channels: expected a multiple of 4 and of heads (2), got 30"),
        ({"minimap": 0}, "RelaConfig.minimap: expected at least 1, got 0"),
        ({"absent_weight": -1.0}, "expected a loss_weight above 0 and others of 0 or more, got loss_weight 5.0"),
        ({"class_weights": (1.0, 0.0)}, "RelaConfig.class_weights: expected positive numbers, got (1.0, 0.0)"),
    ],
)
def test_configs_that_cannot_be_built(tiny_spec: Spec, config: dict, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build_model(tiny_spec("rela", **config))
    assert message in str(error.value)


@pytest.fixture
def fixture(shared_dir: Path, tmp_path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor], Path]:
    """Published tensors, inputs and outputs, and a folder with the words."""
    folder = shared_dir / "parity" / "models" / "rela"
    io = {k: torch.from_numpy(np.asarray(v)) for k, v in np.load(folder / "io.npz").items()}
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{i}" for i in range(4, 120))]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    return load_file(folder / "state_dict.safetensors"), io, tmp_path


@pytest.mark.shared
@torch.no_grad()
def test_parity_rela(fixture: tuple[dict[str, Tensor], dict[str, Tensor], Path]) -> None:
    """Every intermediate to 1e-4, and masks, which go up to 20, to 1e-3, with the tensors as they are stored; and
    through the converter what the release gives after it has loaded them, `lang_weight` left behind."""
    published, io, folder = fixture
    torch.save({"model": published, "iteration": 3}, folder / "gres.pth")
    convert_rela(folder / "gres.pth", folder / "ours.safetensors", ConvertOptions())
    loaded = load_model(folder / "ours.safetensors")
    model = cast(Rela, loaded.model)
    assert model.config.heads == 4 and model.config.minimap == 3 and model.config.reads_padding

    def close(came: Tensor, wanted: str) -> None:
        torch.testing.assert_close(came, io[wanted], rtol=1e-4, atol=1e-4, msg=wanted)

    text = read_words(model, io["lang_tokens"], io["lang_mask"])
    close(text.words, "lang_feat")
    image = model.encode_pairs(io["image"], text, torch.arange(2))
    for level, name in zip(image.levels, ("res2", "res3", "res4", "res5"), strict=True):
        close(level, name)
    pixels = model.pixels(image.levels)
    close(pixels.features, "mask_features")
    for level, name in zip(pixels.levels, ("ms0", "ms1", "ms2"), strict=True):
        close(level, name)
    said = model.predict_regions(image, text)
    close(said.minimap, "official_load_pred_logits")
    close(said.absent, "official_load_nt_label")
    torch.testing.assert_close(said.target, io["official_load_pred_masks"], rtol=1e-4, atol=1e-3)

    load_weights(model, RELA.rename_keys(published), "fixture")  # as stored
    said = model.predict_regions(image, text)
    close(said.minimap, "pred_logits")
    close(said.absent, "nt_label")
    torch.testing.assert_close(said.target, io["pred_masks"], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(said.masks, io["all_masks"], rtol=1e-4, atol=1e-3)
    found = model.decode(image, text)
    up = F.interpolate(found.mask_logits[:, None], scale_factor=4, mode="bilinear", align_corners=False)[:, 0]
    clear = up.abs() > 1e-3
    assert torch.equal((up > 0)[clear], (io["ref_seg"] == 1)[clear]) and clear.float().mean() > 0.99
    assert torch.equal(found.presence_logit < 0, io["nt_label"].argmax(1) == 1)


@pytest.mark.shared
@torch.no_grad()
def test_traps_of_the_published_files(fixture: tuple[dict[str, Tensor], dict[str, Tensor], Path]) -> None:
    """Zero gates are left out, which changes nothing; words are padded to their full length; the share stays 0."""
    published, io, folder = fixture
    closed = {k: torch.zeros_like(v) if "res_gate" in k else v for k, v in published.items()}
    torch.save({"model": closed}, folder / "gres.pth")
    spec = convert_rela(folder / "gres.pth", folder / "ours.safetensors", ConvertOptions(max_words=12))
    assert spec.config["fusion_gates"] is False and published[NEVER_LOADED] != 0
    loaded = load_model(folder / "ours.safetensors").model
    assert loaded.state_dict()["regions.layers.0.share"] == 0
    assert not any("gates" in key for key in loaded.state_dict())
    assert loaded.encode_text(["w5"]).words.shape[1] == 12
    del closed[NEVER_LOADED]  # a file without it runs as one that has it
    asked = ConvertOptions(max_words=12, heads=2, size_px=96)
    torch.save({"model": closed}, folder / "gres.pth")
    spec_of_two = convert_rela(folder / "gres.pth", folder / "two.safetensors", asked)
    assert (spec_of_two.config["heads"], spec_of_two.config["points"]) == (2, 8)
    two = load_model(folder / "two.safetensors")
    assert two.preprocessing.size_px == 96 and two.model.state_dict()["regions.layers.0.share"] == 0
    with pytest.raises(CheckpointError, match="places, which 5 heads cannot share"):
        convert_rela(folder / "gres.pth", folder / "b.safetensors", replace(asked, heads=5))
    closed[NEVER_LOADED] = published[NEVER_LOADED]
    gated = build_model(replace(spec, config={**spec.config, "fusion_gates": True})).eval()
    words = read_words(loaded, io["lang_tokens"], io["lang_mask"])
    load_weights(gated, RELA.rename_keys(closed), "closed")
    levels = [cast(Rela, m).encode_pairs(io["image"], words, torch.arange(2)).levels for m in (loaded, gated)]
    assert all(torch.equal(a, b) for a, b in zip(*levels, strict=True))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("sem_seg_head.predictor.decoder_norm.bias"), r"1 missing \(regions.norm.bias\)"),
        (lambda s: s.update({"criterion.x": torch.zeros(1)}), r"1 not of this project as it is known \(criterion.x\)"),
        (
            lambda s: [s.pop(key) for key in list(s) if "res_gate" in key],
            r"6 missing \(fusion.gates.0.first.weight, ",
        ),
        (lambda s: s.pop("backbone.layers.0.blocks.0.attn.relative_position_bias_table"), "GRES with a Swin backbone"),
        (
            lambda s: s.update({"sem_seg_head.predictor.query_feat.weight": torch.zeros(8, 32)}),
            "one with 8 queries",
        ),
    ],
)
def test_the_converter_is_strict(
    fixture: tuple[dict[str, Tensor], dict[str, Tensor], Path], change: Callable[[dict], Any], message: str
) -> None:
    published, _, folder = fixture
    change(published)
    torch.save({"model": published}, folder / "gres.pth")
    with pytest.raises(CheckpointError, match=message):
        convert_rela(folder / "gres.pth", folder / "ours.safetensors", ConvertOptions())


@pytest.mark.shared
def test_sizes_are_read_off_the_shapes(fixture: tuple[dict[str, Tensor], dict[str, Tensor], Path]) -> None:
    published, _, _ = fixture
    spec = rela_description(published)
    assert spec.config == {
        "minimap": 3,
        "channels": 32,
        "heads": 4,
        "pixel_hidden": 64,
        "region_hidden": 64,
        "reads_padding": True,
    }
    assert spec.vision.options["window_size"] == 6 and spec.text.options["num_hidden_layers"] == 1
