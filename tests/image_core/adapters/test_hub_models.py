"""Models behind `hub:`: the law of `MaskModel` over every family, read from folders as published ones are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from image_core.errors import CheckpointError, ConfigError, FetchError, RvosError, UnknownNameError
from image_core.identity import ModelIdentity
from image_core.mask_model import (
    ask,
    describe,
    identify_model,
    is_model,
    is_python_name,
    resolve_model,
    understood,
    unseen_words,
)
from image_core.weights.manifest import bundle_of
from tests.tiny_networks import WRITERS

MODELS = [
    *("clipseg", "sam3", "grounding_dino+sam2", "mm_grounding_dino+sam", "owlv2+sam_hq", "owlvit+edgetam"),
    *("detr+sam2", "rt_detr+sam", "d_fine+sam2+clip", "owlv2+sam2+siglip", "grounding_dino+sam2+siglip2"),
]
ADAPTERS = {"clipseg": "clipseg", "sam3": "sam3"}
PICTURE = np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)
SMALLEST, WIDE, HIGH = (
    np.random.default_rng(1).integers(0, 255, s, np.uint8) for s in ((1, 1, 3), (1, 300, 3), (200, 2, 3))
)
EXPRESSIONS = ("the dog", "the person left of the tv", "two dogs", "a red cat on the right", "dog " * 200)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """`named("detr+sam2")`: `hub:FOLDER+FOLDER` of networks that were written once."""
    root = tmp_path_factory.mktemp("networks")

    def name(model: str) -> str:
        folders = []
        for kind in model.split("+"):
            folder = root / kind
            folders.append(str(folder if folder.exists() else WRITERS[kind](folder)))
        return "hub:" + "+".join(folders)

    return name


@pytest.mark.parametrize("model", MODELS)
def test_the_law_of_mask_models(model: str, named: Callable[[str], str]) -> None:
    """An answer an expression; five together are, to the bit, what each is alone, in whatever order; all sizes."""
    name = named(model)
    network = resolve_model(name, "cpu")
    assert is_model(network) and not is_python_name(name)
    assert ask(network, PICTURE, []) == []
    for picture in (PICTURE, SMALLEST, WIDE, HIGH):
        asked = EXPRESSIONS if picture is PICTURE else EXPRESSIONS[:2]
        together = ask(network, picture, asked)
        for expression, answer in zip(reversed(asked), reversed(together), strict=True):
            (alone,) = ask(network, picture, [expression])
            assert (alone.presence, alone.score) == (answer.presence, answer.score)
            assert [c.likelihood for c in alone.candidates] == [c.likelihood for c in answer.candidates]
            for mine, other in zip(alone.candidates, answer.candidates, strict=True):
                assert np.array_equal(mine.mask, other.mask) and mine.quality == other.quality
            assert answer.mask(picture.shape[:2], 0.0).shape == picture.shape[:2]
    assert any(answer.candidates for answer in ask(network, PICTURE, EXPRESSIONS)), "the test sees no mask"


@pytest.mark.parametrize("model", MODELS)
def test_a_run_records_the_files_of_all_parts(model: str, named: Callable[[str], str]) -> None:
    identity = identify_model(named(model))
    assert identity.name == named(model) and identity.adapter == ADAPTERS.get(model, "grounded")
    digests = identity.revision.split("+")
    assert len(digests) == len(set(digests)) == model.count("+") + 1 and all(len(digest) == 64 for digest in digests)
    assert describe(resolve_model(named(model), "cpu")) == identity


def test_other_weights_are_another_model(tmp_path: Path) -> None:
    folder = WRITERS["clipseg"](tmp_path / "one")
    before = identify_model(f"hub:{folder}")
    with (folder / "tokenizer_config.json").open("a") as file:
        file.write("\n")
    assert identify_model(f"hub:{folder}").revision != before.revision


def test_the_short_names_are_known_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert identify_model("hub:clipseg") == ModelIdentity(
        "hub:clipseg", "999e0328d9e10b484360c477313983f9afdd7050", "clipseg", "Apache-2.0"
    )
    assert identify_model("hub:sam3").licence == "SAM License"
    pair = identify_model("hub:grounded-sam2")
    assert pair.adapter == "grounded" and [len(part) for part in pair.revision.split("+")] == [40, 40]
    assert identify_model("hub:CIDAS/clipseg-rd64-refined").revision == identify_model("hub:clipseg").revision


def test_without_a_masker_the_packaged_one_draws(
    named: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hashes are a part of what is recorded; where it was never fetched, one line says how."""
    monkeypatch.setenv("RVOS_HOME", str(tmp_path))
    identity = identify_model(named("detr"))
    assert len(identity.revision.split("+")) == 2 and "MIT" in identity.licence
    assert bundle_of("photo").files[0].sha256 not in identity.revision, "a digest of both files"
    with pytest.raises(CheckpointError, match="run `rvos models fetch photo`"):
        resolve_model(named("detr"), "cpu")
    asked: list[str] = []

    def brought(bundle: str) -> dict[str, Path]:
        asked.append(bundle)
        raise FetchError("brought at first use")

    with pytest.raises(FetchError):
        resolve_model(named("detr"), "cpu", weights=brought)
    assert asked == ["photo"]


def test_understanding_is_reported_if_rules_parse_it(named: Callable[[str], str]) -> None:
    for model in ("sam3", "owlv2+sam2"):
        (told,) = understood(resolve_model(named(model), "cpu"), ["the dog left of the car"]) or [{}]
        assert "dog" in json.dumps(told) and "car" in json.dumps(told)
    assert understood(resolve_model(named("clipseg"), "cpu"), ["the dog"]) is None


def test_words_are_queries_of_the_detector_and_classes_are_not(named: Callable[[str], str]) -> None:
    words, classes = (resolve_model(named(model), "cpu") for model in ("owlv2+sam2", "detr+sam2"))
    assert unseen_words(words, ["the zebra"]) == [] and unseen_words(classes, ["the gizmo"]) == ["gizmo"]


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        ("sam2", ConfigError, r"expected DETECTOR, DETECTOR\+MASKER or .* got masker: name one detector"),
        ("owlv2+detr", ConfigError, r"got detector \+ detector"),
        ("owlv2+sam+sam2", ConfigError, r"got detector \+ masker \+ masker"),
        ("clipseg+sam2", ConfigError, r"got a clipseg \+ masker"),
    ],
)
def test_parts_that_make_no_model(model: str, kind: type[RvosError], message: str, named: Callable[[str], str]) -> None:
    for made in (identify_model, resolve_model):
        with pytest.raises(kind, match=message) as error:
            made(named(model))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("hub:clipsegg", UnknownNameError, "did you mean 'clipseg'"),
        ("hub:", UnknownNameError, "known are clipseg, grounded-sam2, owlv2-sam, sam3"),
        ("hub:no/such/folder", ConfigError, "expected OWNER/NAME of the hub or a folder, got neither"),
        ("hub:grounded-sam2+", UnknownNameError, "unknown hub model"),
    ],
)
def test_names_that_are_none(name: str, kind: type[RvosError], message: str) -> None:
    with pytest.raises(kind, match=message) as error:
        resolve_model(name)
    assert "\n" not in str(error.value)


def test_half_precision_is_for_cuda(named: Callable[[str], str]) -> None:
    with pytest.raises(ConfigError, match="precision: expected fp32 on the CPU with a model of the hub, got bf16"):
        resolve_model(named("clipseg"), "cpu", "bf16")


def test_a_network_of_another_kind_is_reported(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ConfigError, match=r"expected one of .*clipseg.* got .*, which is a 'bert'"):
        resolve_model(f"hub:{tmp_path}")
