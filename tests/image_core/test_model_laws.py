"""The law of `models/base.py`, over every model of the table and every ablation that S2RM's source asks for."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from image_core.checkpoint import Provenance, load_model, save_model
from image_core.errors import ConfigError, UnknownNameError
from image_core.models.base import Trainable, join_features
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.kinds import KINDS
from image_core.models.table import MODELS, build_model, model_entry
from image_core.preprocessing import Preprocessing
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures

VARIANTS: dict[str, dict[str, Any]] = {
    "s2rm": {},
    "s2rm as trained": {"update": "side_by_side", "presence_head": True, "bce_weight": 1.0, "auxiliary_weight": 0.4},
    "s2rm overwrite": {"update": "overwrite"},
    "s2rm accumulate": {"update": "accumulate"},
    "s2rm side by side": {"update": "side_by_side"},
    "s2rm no shift, side by side": {"max_steps": (1, 1, 1), "update": "side_by_side"},
    "s2rm lattice": {"max_steps": (4, 4, 2)},
    "s2rm every row, side by side": {"max_steps": (0, 0, 0), "update": "side_by_side"},
    "s2rm no balancing": {"balancing": "none"},
    "s2rm group balancing": {"balancing": "group"},
    "s2rm no casg attention": {"casg_attention": False},
    "s2rm l2v alone": {"directions": ("l2v",)},
    "s2rm v2l alone": {"directions": ("v2l",)},
    "s2rm rows alone": {"axes": ("row",)},
    "s2rm columns alone": {"axes": ("column",)},
    "s2rm presence head": {"presence_head": True},
    "s2rm no position": {"position": False},
    "s2rm one level": {"fused_strides": (32,), "max_steps": (2,), "presence_head": True, "auxiliary_weight": 0.4},
    "seqtr": {},
    "seqtr published encoders": {"fusion_channels": 16, "shuffle_share": 0.5, "bin_offset": 0.0},
    "partial_res": {},
    "partial_res cells": {"cell_weight": 1.0, "start_from_cells": True},
    "partial_res boxes": {"task": "box", "cctf_transposed": True},
    "safari": {},
    "safari no gates, words to picture": {"gate": "none", "amcr_source": "t2i", "cross_norm": False},
    "safari cells": {"cell_weight": 1.0, "start_from_cells": True, "amcr_words": "first"},
    "safari no amcr, stride 16": {"amcr_weight": 0.0, "memory_stride": 16, "fused_layers": 3},
}
PUBLISHED = {
    "seqtr published encoders": (
        EncoderConfig("darknet53", options={"width": 2, "blocks": (1, 1, 1, 1, 1)}),
        EncoderConfig("gru", options={"embedding": 8, "hidden": 8}),
    ),
}
"""Variants whose encoders are those of the publication, small."""
OWN_PATHS = (
    *("s2rm", "s2rm as trained", "s2rm overwrite", "s2rm accumulate", "s2rm one level"),
    *("seqtr", "partial_res", "safari"),
)
"""Between them they run every line that makes a tensor."""
CONTOURS = ("seqtr", "partial_res", "safari")
"""Models that trace and fill outlines in numpy: what that needs is no tensor of the device."""

EXPRESSIONS = ("the red star", "the big blue square on the left of the two circles", "the red star", "a dog")
SIZE = (64, 96)

Build = Callable[[str], Trainable]


@pytest.fixture(scope="module")
def spec_of(tiny_spec: Callable[..., ModelConfig]) -> Callable[[str], ModelConfig]:
    def spec(variant: str) -> ModelConfig:
        made = tiny_spec(variant.split()[0], **VARIANTS[variant])
        vision, text = PUBLISHED.get(variant, (made.vision, made.text))
        return replace(made, vision=vision, text=text)

    return spec


@pytest.fixture(scope="module")
def fresh(spec_of: Callable[[str], ModelConfig]) -> Iterator[Build]:
    """A model of its own, in eval mode, with batch norms that have seen something."""

    @cache
    def built(variant: str) -> Trainable:
        torch.manual_seed(0)
        model = build_model(spec_of(variant))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                torch.nn.init.uniform_(buffer, -0.2, 0.2)
            elif name.endswith("running_var"):
                torch.nn.init.uniform_(buffer, 0.5, 2.0)
        return model.eval()

    yield lambda variant: copy.deepcopy(built(variant))


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(fresh: Build, variant: str) -> Trainable:
    return fresh(variant)


@pytest.fixture(scope="module")
def batch() -> ImageBatch:
    """Two pictures, 64 x 96, and four expressions, one of them without a target."""
    generator = torch.Generator().manual_seed(1)
    masks = torch.zeros(4, *SIZE)
    masks[0, 8:30, 10:40] = 1
    masks[1, 40:41, 90:91] = 1  # a single pixel
    masks[2, :, 50:] = 1
    return ImageBatch(
        images=torch.randn(2, 3, *SIZE, generator=generator),
        valid_px=torch.tensor([SIZE, SIZE]),
        expressions=EXPRESSIONS,
        frame_index=torch.tensor([0, 0, 1, 1]),
        masks=masks,
    )


def encode_image(model: Trainable, images: Tensor, text: TextFeatures, **given: Tensor) -> ImageFeatures:
    return model.encode_image(images, text if model.fuses_language_in_encoder else None, **given)


def assert_same(a: Prediction, b: Prediction, tolerance: float = 1e-5) -> None:
    for name in ("mask_logits", "presence_logit", "score"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=tolerance, atol=tolerance, msg=name)


def test_every_model_of_the_table_is_under_the_law() -> None:
    assert {variant.split()[0] for variant in VARIANTS} == set(MODELS) == set(KINDS)


@torch.no_grad()
def test_shapes_and_ranges(model: Trainable, batch: ImageBatch) -> None:
    (h, w), frames, count = SIZE, len(batch.images), len(batch)
    assert h % model.size_multiple == 0 and w % model.size_multiple == 0

    text = model.encode_text(EXPRESSIONS)
    assert len(text) == count and not text.word_pad_mask.all(1).any()
    assert model.encode_text(["the red star"]).words.shape[2] == text.words.shape[2]

    stem = model.encode_stem(batch.images)
    assert stem.shape[0] == frames and stem.shape[2:] == (h // model.stem_stride, w // model.stem_stride)

    features = encode_image(model, batch.images, text)
    assert len(features) == (frames * count if model.fuses_language_in_encoder else frames)
    strides = [stride for stride, _ in features.maps]
    assert strides == sorted(strides)
    for stride, level in features.maps:
        assert level.shape[2:] == (h // stride, w // stride)
    assert features.valid_px.tolist() == [list(SIZE)] * len(features)

    prediction = model(batch)
    assert prediction.mask_logits.shape == (count, h // model.mask_stride, w // model.mask_stride)
    assert prediction.presence_logit.shape == prediction.score.shape == (count,)
    assert ((prediction.score >= 0) & (prediction.score <= 1)).all()
    probs = model.presence_probs(prediction)
    assert ((probs >= 0) & (probs <= 1)).all()
    for value in (prediction.mask_logits, prediction.presence_logit, prediction.score):
        assert torch.isfinite(value).all()


def test_every_trainable_parameter_gets_a_gradient(model: Trainable, batch: ImageBatch, variant: str) -> None:
    """In double precision, so that a gradient that cancels can be told from a small one."""
    model = model.double().train()
    wide = ImageBatch(batch.images.double(), batch.valid_px, batch.expressions, batch.frame_index, batch.masks.double())
    torch.manual_seed(0)
    terms = model.losses(model(wide), wide)
    torch.stack(list(terms.values())).sum().backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    still = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() < 1e-12}
    # A softmax does not see what all its keys share: the bias of keys. Batch norm takes away what all places share:
    # the biases of what S2RM's language distribution gathers.
    zero = ["attention.self.key.bias", "to_k.bias"]
    zero += ["distribution.attention.to_kv.bias", "distribution.attention.out.bias"]
    if variant == "s2rm no casg attention":  # nor does anything else read the words
        zero.append("layer.output.LayerNorm.bias")
    assert [name for name in sorted(still) if not name.endswith(tuple(zero))] == []


@torch.no_grad()
def test_a_batch_of_two_is_two_batches_of_one(model: Trainable, batch: ImageBatch) -> None:
    together = model(batch)
    for frame in (0, 1):
        rows = (batch.frame_index == frame).nonzero()[:, 0]
        alone = model(
            ImageBatch(
                images=batch.images[frame : frame + 1],
                valid_px=batch.valid_px[frame : frame + 1],
                expressions=tuple(batch.expressions[i] for i in rows.tolist()),
                frame_index=torch.zeros(len(rows), dtype=torch.long),
                masks=batch.masks[rows],
            )
        )
        assert_same(alone, Prediction(together.mask_logits[rows], together.presence_logit[rows], together.score[rows]))


@torch.no_grad()
def test_word_padding_changes_nothing_and_expressions_together_are_one_by_one(
    model: Trainable, batch: ImageBatch
) -> None:
    image = batch.images[:1]
    text = model.encode_text(EXPRESSIONS)
    assert text.word_pad_mask.any(), "the expressions must differ in length for this test"
    pairs = torch.zeros(len(EXPRESSIONS), dtype=torch.long)
    features = encode_image(model, image, text)
    together = model.decode(features if model.fuses_language_in_encoder else features.select(pairs), text)
    for i, expression in enumerate(EXPRESSIONS):
        own = model.encode_text([expression])
        alone = model.decode(encode_image(model, image, own), own)
        assert_same(alone, Prediction(together.mask_logits[[i]], together.presence_logit[[i]], together.score[[i]]))


@torch.no_grad()
def test_a_stem_that_is_given_is_not_computed_again(model: Trainable, batch: ImageBatch) -> None:
    text = model.encode_text(EXPRESSIONS[:2])
    stem = model.encode_stem(batch.images)
    calls: list[int] = []
    assert isinstance(model.vision, torch.nn.Module)
    handle = model.vision.get_submodule("stem").register_forward_hook(lambda *_: calls.append(1))
    given = encode_image(model, batch.images, text, stem=stem)
    assert calls == []
    own = encode_image(model, batch.images, text)
    handle.remove()
    for a, b in zip(given.levels, own.levels, strict=True):
        assert torch.equal(a, b)


class OnMetaAlone(TorchDispatchMode):
    """Every tensor that any operation makes must lie on the meta device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                assert leaf.device.type == "meta", f"{func} made a tensor on {leaf.device}"
        return out


@pytest.mark.parametrize("variant", [v for v in OWN_PATHS if v not in CONTOURS])
def test_no_tensor_is_made_on_another_device(fresh: Build, variant: str, batch: ImageBatch) -> None:
    model = fresh(variant).to("meta").train()
    there = batch.to("meta")
    text = model.encode_text(EXPRESSIONS)
    assert text.words.device.type == text.word_pad_mask.device.type == "meta"
    with OnMetaAlone():
        stem = model.encode_stem(there.images)
        features = encode_image(model, there.images, text, stem=stem)
        if not model.fuses_language_in_encoder:
            features = features.select(there.frame_index)
        prediction = model.decode(features, text)
        model.presence_probs(prediction)
        terms = model.losses(prediction, there)
    assert all(term.device.type == "meta" and term.shape == () for term in terms.values())
    assert model(there).mask_logits.device.type == "meta"


@pytest.mark.parametrize("variant", OWN_PATHS)
def test_a_model_is_built_on_the_default_device(spec_of: Callable[[str], ModelConfig], variant: str) -> None:
    with torch.device("meta"):
        model = build_model(spec_of(variant))
    assert {p.device.type for p in [*model.parameters(), *model.buffers()]} == {"meta"}


@pytest.mark.parametrize("variant", OWN_PATHS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@torch.no_grad()
def test_no_tensor_is_made_in_another_dtype(fresh: Build, variant: str, batch: ImageBatch, dtype: torch.dtype) -> None:
    model = fresh(variant).to(dtype)
    text = model.encode_text(EXPRESSIONS)
    features = encode_image(model, batch.images.to(dtype), text)
    if not model.fuses_language_in_encoder:
        features = features.select(batch.frame_index)
    prediction = model.decode(features, text)
    made = [text.words, text.sentence, *features.levels, prediction.mask_logits, prediction.presence_logit]
    assert {x.dtype for x in (*made, prediction.score)} == {dtype}


@torch.no_grad()
def test_saved_and_loaded_is_the_same_bit_for_bit(
    model: Trainable,
    variant: str,
    batch: ImageBatch,
    spec_of: Callable[[str], ModelConfig],
    preprocessing: Preprocessing,
    tmp_path: Path,
) -> None:
    model.presence_scale.fill_(1.7)
    model.presence_offset.fill_(-0.3)
    save_model(tmp_path / "m.safetensors", model, spec_of(variant), preprocessing, Provenance())
    loaded = load_model(tmp_path / "m.safetensors").model
    before, after = model(batch), loaded(batch)
    for name in ("mask_logits", "presence_logit", "score"):
        assert torch.equal(getattr(before, name), getattr(after, name)), name
    assert torch.equal(model.presence_probs(before), loaded.presence_probs(after))


def test_a_batch_in_which_nothing_has_a_target(model: Trainable, batch: ImageBatch) -> None:
    empty = ImageBatch(
        batch.images, batch.valid_px, batch.expressions, batch.frame_index, torch.zeros_like(batch.masks)
    )
    assert not empty.has_target.any()
    model.train()
    terms = model.losses(model(empty), empty)
    assert terms.get("dice", torch.zeros(())).item() == 0
    assert all(torch.isfinite(term) for term in terms.values())
    torch.stack(list(terms.values())).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_sizes_that_do_not_divide(model: Trainable) -> None:
    text = model.encode_text(EXPRESSIONS[:1])
    multiple = model.size_multiple
    for h, w in ((multiple + 8, multiple), (multiple, multiple + 1)):
        with pytest.raises(ValueError, match=f"expected height and width divisible by {multiple}, got {h} x {w} px"):
            encode_image(model, torch.zeros(1, 3, h, w), text)


@torch.no_grad()
def test_the_smallest_and_a_tall_picture(model: Trainable) -> None:
    """One cell at stride 32; and many rows over a single column of cells."""
    text = model.encode_text(EXPRESSIONS[:1])
    for h, w in ((32, 32), (160, 32)):
        prediction = model.decode(encode_image(model, torch.randn(1, 3, h, w), text), text)
        assert prediction.mask_logits.shape == (1, h // 4, w // 4)
        assert torch.isfinite(prediction.mask_logits).all()


@torch.no_grad()
def test_features_joined_are_features_of_all(fresh: Build, batch: ImageBatch) -> None:
    model = fresh("s2rm")
    both = model.encode_image(batch.images)
    joined = join_features([model.encode_image(batch.images[i : i + 1]) for i in (0, 1)])
    for a, b in zip(both.levels, joined.levels, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    other = ImageFeatures((torch.zeros(1, 1, 4, 4),), (8,), torch.tensor([[32, 32]]))
    with pytest.raises(ValueError, match="expected one set of strides"):
        join_features([joined, other])


def test_unknown_models_and_fields_suggest_the_nearest(tiny_spec: Callable[..., ModelConfig]) -> None:
    assert model_entry("s2rm").config.__name__ == "S2RMConfig"
    with pytest.raises(UnknownNameError, match="did you mean 's2rm'"):
        model_entry("s2rn")
    with pytest.raises(UnknownNameError, match="field of S2RMConfig 'chanels': did you mean 'channels'"):
        build_model(tiny_spec(chanels=32))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"max_steps": (4, 4)}, "max_steps: expected a number >= 0 for each of (8, 16, 32), got (4, 4)"),
        ({"max_steps": 4}, "max_steps: expected a list of int, got 4"),
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


def test_a_description_survives_json(tiny_spec: Callable[..., ModelConfig]) -> None:
    import json

    spec = tiny_spec(update="overwrite")
    again = ModelConfig.from_dict(json.loads(json.dumps(spec.to_dict())))
    names = {name for name, _ in build_model(again).named_parameters()}
    assert names == {name for name, _ in build_model(spec).named_parameters()}
    for wrong in ({}, {"name": "s2rm"}, {**spec.to_dict(), "extra": 1}, {**spec.to_dict(), "vision": 3}):
        with pytest.raises(ConfigError, match="cannot be used"):
            ModelConfig.from_dict(wrong)
