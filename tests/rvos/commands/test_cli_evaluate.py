"""`rvos evaluate synthetic-images` and `rvos train`, with a model of a few thousand random weights."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
import torch

from image_core.checkpoint import Provenance, load_model, save_model
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing
from image_core.synthetic.dataset import SyntheticImages
from rvos.cli import main

COMMAND = ("evaluate", "synthetic-images", "--limit", "3", "--quiet", "--device", "cpu")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = ModelConfig(
        "s2rm",
        EncoderConfig("tiny", options={"channels": (8, 8, 16, 16), "layers": (1, 1, 1, 1)}),
        EncoderConfig("small", options={"hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 16}),
        {"channels": 16, "fine_channels": 8, "heads": 2, "max_steps": (4, 4, 2), "presence_head": True},
    )
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    preprocessing = Preprocessing(64, "short_side", 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    save_model(path, build_model(spec), spec, preprocessing, Provenance())
    return path


@pytest.fixture
def evaluate(model_file: Path) -> Callable[..., int]:
    return lambda *more: main([*COMMAND, "--model", str(model_file), *more])


def test_figures_predictions_and_a_prediction_sheet(evaluate: Callable[..., int], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert evaluate("--out", str(out)) == 0
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["images"] == 3 and figures["expressions"] == 12 and figures["settings"]["split"] == "test"
    assert 0 <= figures["mIoU"] <= 1 and set(figures["families"]) <= {f for i in range(3) for f in families(i)}
    rows = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [row["sample_id"] for row in rows] == [SyntheticImages("test")[i].sample_id for i in range(3)]
    picture = cv2.imread(str(out / "predictions.png"))
    assert picture is not None and picture.std() > 10


def families(index: int) -> tuple[str, ...]:
    return SyntheticImages("test")[index].families


def test_a_killed_evaluation_continues_where_it_stopped(evaluate: Callable[..., int], tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert evaluate("--out", str(whole)) == 0 and evaluate("--out", str(killed)) == 0
    log = killed / "predictions.jsonl"
    log.write_text(log.read_text()[: len(log.read_text()) * 2 // 3])  # the second line is cut in two, or the third
    (killed / "metrics.json").unlink()
    assert evaluate("--out", str(killed)) == 0
    assert log.read_bytes() == (whole / "predictions.jsonl").read_bytes()
    assert (killed / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()
    assert json.loads((killed / "timing.json").read_text())["images_computed"] in (1, 2)


def test_the_control_uses_the_expressions_of_the_next_image(evaluate: Callable[..., int], tmp_path: Path) -> None:
    assert evaluate("--out", str(tmp_path), "--shuffle-expressions", "--split", "test-compositional") == 0
    rows = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    pictures = SyntheticImages("test_compositional")
    for i, row in enumerate(rows):
        asked = [prediction["expression"] for prediction in row["predictions"]]
        assert asked == list(pictures[(i + 1) % 3].expressions) != list(pictures[i].expressions)


def test_a_folder_with_other_settings(
    evaluate: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--out", str(tmp_path)) == 0
    assert evaluate("--out", str(tmp_path), "--split", "val") == 2
    assert "holds another run (different: split)" in capsys.readouterr().err
    assert evaluate("--out", str(tmp_path), "--split", "val", "--overwrite") == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["settings"]["split"] == "val"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["synthetic-image"], "did you mean 'synthetic-images'?"),
        (["synthetic-images", "--split", "tset"], "did you mean 'test'?"),
        (["synthetic-images", "--limit", "0"], "--limit: expected 1 or more, got 0"),
        (["synthetic-images", "--shuffle-expressions", "--limit", "1"], "1"),
        (
            [
                "synthetic-images",
                "--propagation",
                "none",
                "--tracker",
                "none",
                "--set",
                "sampling=all",
                "--workers",
                "1",
            ],
            "--propagation, --tracker, --set, --workers: only for datasets of videos, not for synthetic-images",
        ),
        (["synthetic-images", "--shard", "1/1", "--baseline"], "--baseline, --shard: only for datasets of videos"),
        (["synthetic-images", "--root", ".", "--split-by", "umd"], "--root, --split-by: only for datasets of files"),
    ],
)
def test_what_cannot_be_evaluated(
    arguments: list[str], words: str, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["evaluate", *arguments, "--out", str(tmp_path / "out"), "--model", str(model_file), "--device", "cpu"])
    said = capsys.readouterr().err.splitlines()
    assert code == 2 and len(said) == 1 and words in said[0]


def test_train_writes_a_model_that_segments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["batch_images=2", "steps=2", "optimiser.warmup_steps=1", "sizes=[[0,64]]", "eval_images=2", "workers=0"]
    command = ["train", "experiment=synthetic_s2rm_tiny", f"out={tmp_path}", "device=cpu", "precision=fp32", *small]
    assert main(command) == 0
    assert capsys.readouterr().out.strip() == f"model: {tmp_path / 'model.safetensors'}"
    origin = load_model(tmp_path / "model.safetensors").provenance
    assert origin.steps == 2 and origin.command == shlex.join(["rvos", *command]) and "circle" in (origin.words or ())


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "expected experiment=NAME, got nothing: choose one of cgformer_refcoco, "),
        (["experiment=synthetic_s2rm_tin"], "did you mean 'synthetic_s2rm_tiny'?"),
        (["experiment=s2rm_refcoco"], "data.root=FOLDER"),
        (["experiment=synthetic_s2rm_tiny", "step=3"], "steps"),
        (["experiment=synthetic_s2rm_tiny", "steps=0"], "steps"),
        (["the dog, left"], "the dog"),
    ],
)
def test_what_cannot_be_trained(overrides: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *overrides]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and words in said[0]
