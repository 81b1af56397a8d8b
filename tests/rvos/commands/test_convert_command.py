"""`rvos convert`: the door to the converter. What it converts is tested in tests/image_core/test_seqtr_parity.py."""

from __future__ import annotations

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
        (["seqtr", "in.pth", "out.pth"], "expected a name that ends in .safetensors, got out.pth"),
        (["seqtr", "in.pth", "nowhere/out.safetensors"], "there is no folder nowhere"),
        (["seqtr", "in.pth", "there.safetensors"], "is there already; take another name, or --overwrite"),
        (["seqtr", "in.pth", "out.safetensors", "--words", "0"], "--words: expected 1 or more, got 0"),
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
    from image_core.convert.reading import Asked
    from image_core.models.description import EncoderConfig, ModelConfig

    calls: list[tuple] = []

    def converted(source: Path, out: Path, asked: Asked) -> ModelConfig:
        calls.append((source, out, asked))
        out.write_bytes(b"12")
        return ModelConfig("seqtr", EncoderConfig("darknet53"), EncoderConfig("gru"))

    row = image_core.convert.table.Project(converted, "stands in")
    monkeypatch.setitem(image_core.convert.table.PROJECTS, "seqtr", row)
    out = tmp_path / "out.safetensors"
    out.touch()
    arguments = ["convert", "seqtr", "in.pth", str(out), "--vocabulary", "v.json", "--words", "20", "--overwrite"]
    assert main([*arguments, "--json"]) == 0
    assert calls == [(Path("in.pth"), out, Asked(Path("v.json"), 20))]
    assert '"bytes": 2' in capsys.readouterr().out
