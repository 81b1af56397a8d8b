"""How the text behind `--model` becomes a model, and what a run records of it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from image_core.answer import MaskAnswer
from image_core.errors import CheckpointError, ConfigError, RvosError, UnknownNameError
from image_core.identity import ModelIdentity
from image_core.mask_model import (
    ask,
    ask_many,
    describe,
    identify_model,
    is_model,
    is_python_name,
    resolve_model,
    unseen_words,
)
from image_core.segmenter import ImageSegmenter
from image_core.weights import embedded_models

SOURCE = """
from image_core.answer import MaskAnswer

class Bright:
    def __init__(self, device="auto"):
        self.device = device
    def segment(self, image, expressions):
        return [MaskAnswer.of_mask(image.mean(2) > 200) for _ in expressions]

def make(): return Bright()
def make_on(device, precision="fp32"): return Bright(device + precision)
def wrong(): return 3
def empty(): return Bright
def needy(path): return Bright()
ready = Bright("ready")
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module in the current folder, which is not on the path of a console script."""
    (tmp_path / "bright_model.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    yield "bright_model"
    sys.modules.pop("bright_model", None)


@pytest.mark.parametrize(
    ("name", "device"), [("make", "auto"), ("make_on", "autofp32"), ("ready", "ready"), ("Bright", "auto")]
)
def test_a_function_a_class_or_an_object_of_a_module(module: str, name: str, device: str) -> None:
    model = resolve_model(f"{module}:{name}")
    assert is_model(model) and model.device == device  # pyright: ignore[reportAttributeAccessIssue]
    image = np.zeros((4, 6, 3), np.uint8)
    image[1:3, 2:5] = 255
    (answer,) = ask(model, image, ["the bright thing"])
    assert np.array_equal(answer.mask((4, 6)), image[..., 0] > 0)
    assert str(Path.cwd()) not in sys.path


def test_device_and_precision_reach_a_factory_that_takes_them(module: str) -> None:
    assert resolve_model(f"{module}:make_on", "cpu", "bf16").device == "cpubf16"  # pyright: ignore[reportAttributeAccessIssue]
    assert resolve_model(f"{module}:Bright", "cpu").device == "cpu"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ConfigError, match=r"--device cpu: expected that bright_model:make takes an argument 'device'"):
        resolve_model(f"{module}:make", "cpu")
    with pytest.raises(ConfigError, match=r"--precision bf16: expected that .*: leave --precision out"):
        resolve_model(f"{module}:Bright", "cpu", "bf16")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bright_model:mak", "expected a function or an object called 'mak' in bright_model, got Bright, .*make"),
        ("bright_model:wrong", r"expected an object with segment\(image, expressions\), got int"),
        ("bright_model:number", "expected a model or a function that makes one, got int"),
        ("bright_model:needy", r"expected a function without arguments, got one of \(path\)"),
        ("no_such_module:make", r"expected a module that can be imported .*got none \(no_such_module is missing\)"),
        ("bright_model.inner:make", "expected a module that can be imported"),
        ("bright_model:bright", "got Bright, .*: did you mean 'Bright'?"),
        ("bright_model:empty", r"expected an object with segment\(image, expressions\), got type"),
        ("bright_model.py:Bright", "leave .py out"),
        ("builtins:dict", "expected a function of Python that makes a model, got type, whose arguments"),
    ],
)
def test_an_invalid_model_is_one_line(module: str, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        resolve_model(name)
    assert "\n" not in str(error.value)


def test_a_module_that_fails_while_it_is_imported_shows_its_own_error(module: str) -> None:
    Path("broken_model.py").write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        resolve_model("broken_model:make")


def test_a_package_that_a_module_needs_is_named(module: str) -> None:
    Path("needing_model.py").write_text("import no_such_package\n")
    with pytest.raises(ConfigError, match="expected all that needing_model imports, got no no_such_package: install"):
        resolve_model("needing_model:make")


def test_an_error_of_a_model_names_the_model() -> None:
    class Broken:
        def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
            raise KeyError("mine")

    with pytest.raises(KeyError) as error:
        ask(Broken(), np.zeros((4, 6, 3), np.uint8), ["a"])
    assert error.value.__notes__ == ["raised by the model Broken on an image of 4 x 6 px"]


def test_a_model_that_exits_does_not_end_the_run_as_if_it_were_done() -> None:
    class Leaving:
        def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
            raise SystemExit(0)

    with pytest.raises(RuntimeError, match=r"exit\(0\) was raised by the model Leaving on an image of 4 x 6 px"):
        ask(Leaving(), np.zeros((4, 6, 3), np.uint8), ["a"])


def test_a_factory_may_import_modules_beside_its_own(module: str, tmp_path: Path) -> None:
    (tmp_path / "bright_model_weights.py").write_text("limit = 7")
    with (tmp_path / "bright_model.py").open("a") as file:
        file.write("\ndef lazy():\n    import bright_model_weights\n    return Bright(bright_model_weights.limit)\n")
    assert resolve_model(f"{module}:lazy").device == 7  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules.pop("bright_model_weights")


def test_paths_and_names_are_no_modules(module: str, tmp_path: Path) -> None:
    assert is_python_name("a.b:c.d") and is_python_name("a:b")
    for other in ("s2rm_tiny", "C:/models/m.safetensors", "a/b:c", "a-b:c", ":make", "bright_model:", "1a:b"):
        assert not is_python_name(other), other
    Path("odd:name").touch()
    assert not is_python_name("odd:name"), "a file of that name is a model file"
    known = "photo, s2rm_tiny, hub:NAME, a model file, or module:factory, a function of yours"
    told = f"unknown model 'bright_model': known are {known}"
    for look_up in (resolve_model, identify_model):
        with pytest.raises(UnknownNameError, match=told):
            look_up("bright_model")
    with pytest.raises(CheckpointError):
        resolve_model(tmp_path / "none.safetensors")


def test_an_embedded_model_is_recognised_by_its_file() -> None:
    path = embedded_models()["s2rm_tiny"]
    identity = identify_model("s2rm-tiny")
    assert identity == ModelIdentity("s2rm-tiny", hashlib.sha256(path.read_bytes()).hexdigest(), "feature_model")
    model = resolve_model("s2rm-tiny", "cpu")
    assert isinstance(model, ImageSegmenter) and describe(model) == identity
    with pytest.raises(RvosError):
        identify_model("missing.safetensors")


def test_a_module_is_recognised_by_its_source(module: str) -> None:
    before = identify_model("bright_model:make")
    assert before.name == "bright_model:make" and len(before.revision) == 64 and before.adapter == "python"
    Path("bright_model.py").write_text(SOURCE + "\n# edited\n")
    assert identify_model("bright_model:make").revision != before.revision


class Silent:
    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        return []


class Talking(Silent):
    def describe(self) -> ModelIdentity:
        return ModelIdentity("talking", "abc", "mine", "MIT")

    def unseen_words(self, expressions: Sequence[str]) -> list[str]:
        return ["dog"]


def test_what_a_model_offers_besides_is_used() -> None:
    assert describe(Talking()).document() == {
        "name": "talking", "revision": "abc", "adapter": "mine", "licence": "MIT",
    }  # fmt: skip
    assert describe(Silent()).name.endswith("test_mask_model:Silent")
    assert unseen_words(Talking(), ["a dog"]) == ["dog"] and unseen_words(Silent(), ["a dog"]) == []
    Talking.unseen_words = lambda *_: "zebra"  # type: ignore
    with pytest.raises(TypeError, match=r"unseen_words: expected a list of words, got .zebra."):
        unseen_words(Talking(), ["a zebra"])
    with pytest.raises(ValueError, match=r"Silent.segment: expected 1 answers"):
        ask(Silent(), np.zeros((2, 2, 3), np.uint8), ["a dog"])


def test_several_images_are_asked_in_one_call_where_a_model_takes_them() -> None:
    class Many(Silent):
        def segment_many(
            self, images: Sequence[np.ndarray], expressions: Sequence[Sequence[str]]
        ) -> list[list[MaskAnswer]]:
            return [[MaskAnswer((), len(own) / 10) for _ in own] for own in expressions]

    image, asked = np.zeros((2, 2, 3), np.uint8), [["a"], ["b", "c"], []]
    answers = ask_many(Many(), [image] * 3, asked)
    assert [[answer.presence for answer in own] for own in answers] == [[0.1], [0.2, 0.2], []]
    with pytest.raises(ValueError, match=r"Many.segment_many: expected 2 lists, one per image, got 3"):
        ask_many(Many(), [image] * 2, asked)
    one_by_one = [["a"], ["b"]]
    with pytest.raises(ValueError, match=r"Silent.segment: expected 1 answers"):
        ask_many(Silent(), [image] * 2, one_by_one)


def test_a_description_of_another_type_is_refused() -> None:
    class Vague(Silent):
        def describe(self) -> str:
            return "a model"

    with pytest.raises(TypeError, match=r"Vague.describe: expected a ModelIdentity, got str"):
        describe(Vague())


@pytest.mark.parametrize("given", ["ref-ytvos", "ref_ytvos", "ref-yt-vos"])
def test_the_nearest_name_is_told_however_it_is_hyphened(given: str) -> None:
    told = UnknownNameError("dataset", given, ["mevis", "ref-youtube-vos", "revos"])
    assert f"unknown dataset '{given}': did you mean 'ref-youtube-vos'? known are mevis," in str(told)
