"""`rvos convert`: the door to the converter. What it converts is tested in tests/image_core/test_seqtr_parity.py."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rvos.cli import main


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["seqt", "in.pth", "out.safetensors"], "unknown project 'seqt': did you mean 'seqtr'?"),
        (["seqtr", "in.pth", "out.safetensors"], "in.pth: no such file"),
        (["seqtr", "whole.safetensors", "out.safetensors"], "no token_to_ix.pkl or .json beside it"),
        (["seqtr", "in.pth", "out.safetensors", "--vocabulary", "words.json"], "in.pth: no such file"),
        (["seqtr", "whole.safetensors", "out.safetensors", "--vocabulary", "words.json"], "words.json: no such file"),
        (["seqtr", "in.pth", "out.pth"], "expected a name that ends in .safetensors, got out.pth"),
        (["seqtr", "in.pth", "nowhere/out.safetensors"], "expected an existing folder, got nowhere"),
        (
            ["seqtr", "in.pth", "there.safetensors"],
            "expected a new file, got one that exists: choose another name, or pass --overwrite",
        ),
        (["seqtr", "in.pth", "out.safetensors", "--words", "0"], "--words: expected 1 or more, got 0"),
        (["seqtr", "in.pth", "out.safetensors", "--size", "0"], "--size: expected 1 or more, got 0"),
        (
            ["lavt", "in.pth", "out.safetensors", "--heads", "4"],
            "lavt: expected none of heads, which its shapes determine",
        ),
    ],
)
def test_faults_are_one_line(
    arguments: list[str],
    answer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.safetensors").touch()
    save_file({"a": torch.zeros(1)}, "whole.safetensors")
    assert main(["convert", *arguments]) == 2
    said = capsys.readouterr().err
    assert answer in said and said.count("\n") == 1


def test_a_converted_file_is_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command hands over what it was given, and says what came out."""
    import image_core.convert.table
    from image_core.convert.options import ConvertOptions
    from image_core.models.description import EncoderConfig, ModelConfig

    calls: list[tuple] = []

    def converted(source: Path, out: Path, asked: ConvertOptions) -> ModelConfig:
        calls.append((source, out, asked))
        out.write_bytes(b"12")
        return ModelConfig("seqtr", EncoderConfig("darknet53"), EncoderConfig("gru"))

    usual = {"max_words": "15 tokens", "heads": "8 heads", "size_px": "pictures of 640 px"}
    row = image_core.convert.table.Project("stands in", usual)
    monkeypatch.setitem(image_core.convert.table.PROJECTS, "seqtr", row)
    monkeypatch.setitem(image_core.convert.table.CONVERTERS, "seqtr", converted)
    out = tmp_path / "out.safetensors"
    monkeypatch.chdir(tmp_path)
    for there in (out, Path("in.pth"), Path("v.json")):
        there.touch()
    arguments = ["convert", "seqtr", "in.pth", str(out), "--vocabulary", "v.json", "--words", "20", "--overwrite"]
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["bytes"] == 2 and said["taken"] == {"--heads": "8 heads", "--size": "pictures of 640 px"}
    assert main([*arguments, "--heads", "4"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "assumed, because the checkpoint does not say it: pictures of 640 px (change it with --size)"
    ]
    asked = ConvertOptions(Path("v.json"), 20)
    assert calls == [(Path("in.pth"), out, asked), (Path("in.pth"), out, replace(asked, heads=4))]


def test_each_project_has_a_converter() -> None:
    from image_core.convert.table import CONVERTERS, PROJECTS

    assert CONVERTERS.keys() == PROJECTS.keys()
    assert all(callable(CONVERTERS[name]) for name in CONVERTERS)
