"""The door to an image model: which file a name means, which words are new, and predictions at the picture's size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from image_core import weights
from image_core.answer import MaskAnswer
from image_core.checkpoint import LoadedModel, Provenance, save_model
from image_core.data.words import check_expressions
from image_core.device import autocast, resolve_device, resolve_precision
from image_core.errors import CheckpointError, ConfigError, RvosError, UnknownNameError
from image_core.models.description import ModelConfig
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing
from image_core.segmenter import ImageSegmenter
from image_core.weights import embedded_models, find_model

EXPRESSIONS = ["the red star", "a small blue square left of the circle", "the red star"]


@pytest.fixture(scope="module")
def loaded(tiny_spec: Callable[..., ModelConfig], preprocessing: Preprocessing) -> LoadedModel:
    torch.manual_seed(0)
    spec = tiny_spec(presence_head=True)
    words = ("the", "red", "star", "left-hand", "man's", "a")
    return LoadedModel(build_model(spec), spec, preprocessing, Provenance(words=words))


@pytest.fixture(scope="module")
def segmenter(loaded: LoadedModel) -> ImageSegmenter:
    return ImageSegmenter(loaded.model, loaded.preprocessing, provenance=loaded.provenance)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (45, 70, 3), dtype=np.uint8)


def logits_of(answer: MaskAnswer) -> np.ndarray:
    return answer.log_odds((45, 70))


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of embedded checkpoints, with two in it."""
    for name in ("s2rm_tiny.safetensors", "other_one.safetensors", "s2rm_tiny.md", "__init__.py"):
        (tmp_path / name).touch()
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path


def test_embedded_models_are_the_model_files_of_the_folder(folder: Path) -> None:
    assert embedded_models() == {
        "other_one": folder / "other_one.safetensors",
        "s2rm_tiny": folder / "s2rm_tiny.safetensors",
    }


def test_what_a_name_means(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = folder / "s2rm_tiny.safetensors"
    assert find_model("s2rm_tiny") == find_model("s2rm-tiny") == tiny
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for path in ("mine.safetensors", "runs/mine", "s2rm_tiny.safetensors"):
        assert find_model(path) == Path(path)  # a path, there or not: loading tells
    Path("bare").touch()
    assert find_model("bare") == Path("bare")
    Path("s2rm_tiny").touch()
    assert find_model("s2rm_tiny") == tiny  # a name comes first
    with pytest.raises(UnknownNameError, match="unknown model 's2rm-tinny': did you mean 's2rm_tiny'"):
        find_model("s2rm-tinny")
    with pytest.raises(UnknownNameError, match="known are other_one, s2rm_tiny"):
        find_model("zzz")
    with pytest.raises(CheckpointError, match="expected a file, got none"):
        ImageSegmenter.load("runs/mine", "cpu")


def test_loading_a_file(loaded: LoadedModel, image: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_model(path, loaded.model, loaded.spec, loaded.preprocessing, loaded.provenance)
    again = ImageSegmenter.load(path, "cpu")
    assert again.provenance == loaded.provenance
    own = ImageSegmenter(loaded.model, loaded.preprocessing).segment(image, EXPRESSIONS[:1])[0]
    other = again.segment(image, EXPRESSIONS[:1])[0]
    assert np.array_equal(logits_of(own), logits_of(other)) and own.presence == other.presence


def test_words_never_seen_are_named_once_and_in_order(segmenter: ImageSegmenter, loaded: LoadedModel) -> None:
    said = ["The dog, the RED star!", "a left-hand dog (the man's)", "Zebra? dog."]
    assert segmenter.unseen_words(said) == ["dog", "zebra"]
    unknown = ImageSegmenter(loaded.model, loaded.preprocessing)
    assert unknown.vocabulary is None and unknown.unseen_words(said) == []


@pytest.mark.parametrize("blank", ["", "   ", "\t\n", "?!", "___", "🙂"])
def test_blank_expressions(segmenter: ImageSegmenter, image: np.ndarray, blank: str) -> None:
    with pytest.raises(RvosError, match="expression 2 is blank") as error:
        segmenter.segment(image, ["the star", blank])
    assert "\n" not in str(error.value)


def test_expressions_that_are_no_list_of_texts() -> None:
    with pytest.raises(RvosError, match="no expression: expected at least one"):
        check_expressions([])
    with pytest.raises(RvosError, match="got one string"):
        check_expressions("the red star")
    check_expressions(["7", "猫", "l'homme à gauche"])


def test_predictions_have_the_size_of_the_image(segmenter: ImageSegmenter, image: np.ndarray) -> None:
    predictions = segmenter.segment(image, EXPRESSIONS)
    assert len(predictions) == 3
    for prediction in predictions:
        assert logits_of(prediction).shape == (45, 70) and logits_of(prediction).dtype == np.float32
        assert np.isfinite(logits_of(prediction)).all()
        assert 0 <= prediction.presence <= 1 and 0 <= prediction.score <= 1
    np.testing.assert_allclose(logits_of(predictions[0]), logits_of(predictions[2]), atol=1e-6)
    one_by_one = [segmenter.segment(image, [text])[0] for text in EXPRESSIONS]
    for together, alone in zip(predictions, one_by_one, strict=True):
        np.testing.assert_allclose(logits_of(together), logits_of(alone), atol=1e-4)
        assert together.presence == pytest.approx(alone.presence, abs=1e-5)


def test_images_that_are_none(segmenter: ImageSegmenter) -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="expected uint8"):
            segmenter.segment(wrong, EXPRESSIONS)


def test_bf16_is_close_and_presence_is_not_rounded_to_certainty(loaded: LoadedModel, image: np.ndarray) -> None:
    exact = ImageSegmenter(loaded.model, loaded.preprocessing)
    rough = ImageSegmenter(loaded.model, loaded.preprocessing, precision="bf16")
    for a, b in zip(exact.segment(image, EXPRESSIONS), rough.segment(image, EXPRESSIONS), strict=True):
        assert logits_of(b).dtype == np.float32
        assert np.abs(logits_of(a) - logits_of(b)).max() < 0.1 * np.abs(logits_of(a)).max()
        assert b.presence == pytest.approx(a.presence, abs=0.02)
    model = exact.model
    try:
        model.presence_offset.fill_(9.0)  # sigmoid(9) is 0.99988, which bf16 would call 1
        for prediction in rough.segment(image, EXPRESSIONS):
            assert 0.999 < prediction.presence < 0.99999
        model.presence_offset.fill_(25.0)  # which float32 would call 1
        assert all(prediction.presence < 1 for prediction in rough.segment(image, EXPRESSIONS))
    finally:
        model.presence_offset.fill_(0.0)


def test_devices_and_precisions_that_are_not_there() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda")
    for wrong in ("cuda:97", "gpu", "meta", "", "cuda:x"):
        with pytest.raises(ConfigError, match=f"device: expected .*, got '{wrong}'") as error:
            resolve_device(wrong)
        assert "\n" not in str(error.value)
    with pytest.raises(UnknownNameError, match="unknown precision 'fp16'"):
        autocast(torch.device("cpu"), "fp16")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("onednn", "can", "computes"),
    [
        (True, {"architecture": "x86_64", "avx512_bf16": True}, True),
        (True, {"architecture": "x86_64", "amx_bf16": True, "avx512_bf16": False}, True),
        (True, {"architecture": "x86_64", "avx512_f": True, "avx512_bf16": False}, False),
        (False, {"architecture": "x86_64", "avx2": True}, False),
        (True, {"architecture": "aarch64"}, True),
    ],
    ids=["AVX512-BF16", "AMX", "AVX-512 alone", "AVX2", "Arm"],
)
def test_bf16_is_refused_where_the_processor_imitates_it(
    onednn: bool, can: dict[str, Any], computes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can)
    cpu = torch.device("cpu")
    assert (
        resolve_precision("auto", cpu) == ("bf16" if computes else "fp32") and resolve_precision("fp32", cpu) == "fp32"
    )
    if computes:
        assert resolve_precision("bf16", cpu) == "bf16"
        return
    with pytest.raises(ConfigError, match=r"^precision: expected fp32 on this processor.*, got bf16: use fp32$"):
        ImageSegmenter.load("s2rm_tiny", "cpu", "bf16")
