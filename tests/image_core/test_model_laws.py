"""The law of `models/base.py`, over every model of the table and every ablation that S2RM's source asks for."""

from __future__ import annotations

import copy
from collections.abc import Callable
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
from image_core.models.description import ModelConfig
from image_core.models.kinds import KINDS
from image_core.models.table import MODELS, build_model, model_entry
from image_core.preprocessing import Preprocessing
from image_core.types import ImageBatch, ImageFeatures, Prediction, TextFeatures
from tests.image_core.model_variants import CONTOURS, OTHER_ENCODERS, OWN_PATHS, VARIANTS

EXPRESSIONS = ("the red star", "the big blue square on the left of the two circles", "the red star", "a dog")
SIZE = (64, 96)

Build = Callable[[str], Trainable]


@pytest.fixture(scope="module")
def spec_of(tiny_spec: Callable[..., ModelConfig]) -> Callable[[str], ModelConfig]:
    def spec(variant: str) -> ModelConfig:
        made = tiny_spec(variant.split()[0], **VARIANTS[variant])
        vision, text = OTHER_ENCODERS.get(variant, (made.vision, made.text))
        return replace(made, vision=vision, text=text)

    return spec


@pytest.fixture(scope="module")
def shared(spec_of: Callable[[str], ModelConfig]) -> Build:
    """A model in eval mode, with batch norms that have seen something: one for all tests, none of which changes it."""

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

    return built


@pytest.fixture(scope="module")
def fresh(shared: Build) -> Build:
    """The same, each of them a copy that may be changed."""
    return lambda variant: copy.deepcopy(shared(variant))


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(shared: Build, variant: str) -> Trainable:
    return shared(variant)


@pytest.fixture
def own_model(fresh: Build, variant: str) -> Trainable:
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


def pairs_of(model: Trainable, features: ImageFeatures, batch: ImageBatch) -> ImageFeatures:
    """The rows of the batch's expressions; where fusion is early, every expression was asked of every picture."""
    rows = batch.frame_index
    if model.fuses_language_in_encoder:
        rows = rows * len(batch) + torch.arange(len(batch), device=rows.device)
    return features.select(rows)


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


def test_every_trainable_parameter_gets_a_gradient(own_model: Trainable, batch: ImageBatch, variant: str) -> None:
    """In double precision, so that a gradient that cancels can be told from a small one."""
    model = own_model.double().train()
    wide = ImageBatch(batch.images.double(), batch.valid_px, batch.expressions, batch.frame_index, batch.masks.double())
    torch.manual_seed(0)
    terms = model.losses(model(wide), wide)
    torch.stack(list(terms.values())).sum().backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    still = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() < 1e-12}
    # A softmax does not see what all its keys share: the bias of keys. Batch norm takes away what all places share:
    # the biases of what S2RM's language distribution gathers, and of CGFormer's convolutions.
    zero = ["attention.self.key.bias", "self_attn.k_proj.bias", "to_k.bias"]
    # Instance norm takes away what all pixels share, in pixel-word attention.
    zero += [f"fusion.attention.{i}.{part}.bias" for i in range(4) for part in ("query", "key", "value", "out")]
    zero += ["distribution.attention.to_kv.bias", "distribution.attention.out.bias"]
    zero += [f"fuses.{i}.blocks.{j}.0.bias" for i in range(3) for j in range(2)]
    if variant.startswith(("s2rm no casg attention", "lavt")):  # nor does anything else read the words
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
        prediction = model.decode(pairs_of(model, features, there), text)
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
    prediction = model.decode(pairs_of(model, features, batch), text)
    made = [text.words, text.sentence, *features.levels, prediction.mask_logits, prediction.presence_logit]
    assert {x.dtype for x in (*made, prediction.score)} == {dtype}


@torch.no_grad()
def test_saved_and_loaded_is_the_same_bit_for_bit(
    own_model: Trainable,
    variant: str,
    batch: ImageBatch,
    spec_of: Callable[[str], ModelConfig],
    preprocessing: Preprocessing,
    tmp_path: Path,
) -> None:
    model = own_model
    model.presence_scale.fill_(1.7)
    model.presence_offset.fill_(-0.3)
    save_model(tmp_path / "m.safetensors", model, spec_of(variant), preprocessing, Provenance())
    loaded = load_model(tmp_path / "m.safetensors").model
    before, after = model(batch), loaded(batch)
    for name in ("mask_logits", "presence_logit", "score"):
        assert torch.equal(getattr(before, name), getattr(after, name)), name
    assert torch.equal(model.presence_probs(before), loaded.presence_probs(after))


def test_a_batch_in_which_nothing_has_a_target(own_model: Trainable, batch: ImageBatch) -> None:
    empty = ImageBatch(
        batch.images, batch.valid_px, batch.expressions, batch.frame_index, torch.zeros_like(batch.masks)
    )
    assert not empty.has_target.any()
    model = own_model.train()
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
def test_the_smallest_and_a_tall_image(model: Trainable) -> None:
    """One cell at stride 32; and many rows over a single column of cells."""
    text = model.encode_text(EXPRESSIONS[:1])
    for h, w in ((32, 32), (160, 32)):
        prediction = model.decode(encode_image(model, torch.randn(1, 3, h, w), text), text)
        assert prediction.mask_logits.shape == (1, h // model.mask_stride, w // model.mask_stride)
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


def test_a_description_survives_json(tiny_spec: Callable[..., ModelConfig]) -> None:
    import json

    spec = tiny_spec(update="overwrite")
    again = ModelConfig.from_dict(json.loads(json.dumps(spec.to_dict())))
    names = {name for name, _ in build_model(again).named_parameters()}
    assert names == {name for name, _ in build_model(spec).named_parameters()}
    for wrong in ({}, {"name": "s2rm"}, {**spec.to_dict(), "extra": 1}, {**spec.to_dict(), "vision": 3}):
        with pytest.raises(ConfigError, match="cannot be used"):
            ModelConfig.from_dict(wrong)
