"""`rvos models export`: what it tells, and what it refuses before a model is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from image_core import onnx_file
from image_core.checkpoint import LoadedModel
from image_core.onnx_file import OnnxFile

Rvos = Callable[..., Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[LoadedModel, tuple[int, int]]]:
    """What was to be written; nothing is."""
    seen: list[tuple[LoadedModel, tuple[int, int]]] = []

    def write(loaded: LoadedModel, path: Path, picture_size: tuple[int, int]) -> OnnxFile:
        seen.append((loaded, picture_size))
        return OnnxFile(path, loaded.preprocessing.content_size(*picture_size), 1e-5)

    monkeypatch.setattr(onnx_file, "write_onnx", write)
    return seen


def test_the_embedded_model_is_exported_for_images_of_a_shape(rvos: Rvos, asked: list[Any]) -> None:
    outcome = rvos("models", "export", "s2rm_tiny", "--out", "m.onnx", "--pictures", "640x480")
    assert (outcome.code, outcome.err) == (0, [])
    assert outcome.out == ["onnx: m.onnx", "takes images of 256x192; differs from torch by 1.0e-05 at most"]
    ((loaded, size),) = asked
    assert (loaded.spec.name, size) == ("s2rm", (480, 640))
    outcome = rvos("models", "export", "s2rm_tiny", "--out", "m.onnx", "--json")
    document = {"model": "s2rm_tiny", "out": "m.onnx", "size": [192, 352], "largest_difference": 1e-5}
    assert json.loads("\n".join(outcome.out)) == document


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("s2rm_tiny", "--out", "m.bin"), "expected a name that ends in .onnx, got 'm.bin'"),
        (("s2rm_tiny", "--out", "there.onnx"), "there.onnx: expected a new file"),
        (("s2rm_tiny", "--out", "m.onnx", "--pictures", "720p"), "expected WIDTHxHEIGHT, for example 1280x720, got"),
        (("s2rm_tinny", "--out", "m.onnx"), "did you mean 's2rm_tiny'?"),
        (
            ("photo", "--out", "m.onnx"),
            "expected an embedded model or a model file, got photo, which consists of several networks",
        ),
        (("hub:clipseg", "--out", "m.onnx"), "expected an embedded model or a model file, got hub:clipseg"),
        (("missing.safetensors", "--out", "m.onnx"), "missing.safetensors: expected a file, got none"),
    ],
)
def test_onnx_export_errors_are_one_line(
    arguments: tuple[str, ...], complaint: str, rvos: Rvos, asked: list[Any], tmp_path: Path
) -> None:
    (tmp_path / "there.onnx").write_text("mine")
    outcome = rvos("models", "export", *arguments)
    assert outcome.code == 2 and len(outcome.err) == 1 and complaint in outcome.err[0], outcome.err
    assert not asked and (tmp_path / "there.onnx").read_text() == "mine"
