"""`rvos bootstrap`: what it prints and leaves, and bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from image_core.checkpoint import load_model
from rvos.cli import main
from rvos.configuration import bootstrap_config

EXPERIMENT = "experiment=synthetic_bootstrap_tiny"
SMALL = [
    "data.images=8",
    "device=cpu",
    "precision=fp32",
    "workers=0",
    "batch_images=2",
    "eval_images=2",
    "log_every=1",
    "save_every=2",
    "preprocessing.size_px=32",
    "optimiser.warmup_steps=0",
    "bootstrap.first_steps=2",
    "bootstrap.round_steps=2",
    "bootstrap.boxes=truth",
    "bootstrap.filter.threshold=0.1",
]


def test_the_command_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bootstrap", EXPERIMENT, "labels=0.25", f"out={tmp_path / 'run'}", *SMALL]
    assert main(command) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "labelled images: 2 of 8"
    assert out[1].startswith("round 0: mIoU ") and "accepted" in out[2] and out[3].startswith("round 2: ")
    assert out[4:] == [
        f"summary: {tmp_path / 'run' / 'bootstrap.json'}",
        f"model: {tmp_path / 'run' / 'round_2' / 'model.safetensors'}",
    ]
    told = load_model(tmp_path / "run" / "round_2" / "model.safetensors").provenance
    assert told.steps == 6 and told.command.count("rvos bootstrap") == 3 and told.command.endswith("(round 2)")
    lines = (tmp_path / "run" / "ledger.jsonl").read_text().splitlines()
    assert {json.loads(line)["round"] for line in lines} == {1, 2} and len({json.loads(n)["index"] for n in lines}) == 6
    assert main(command) == 0  # finished: the same again
    assert capsys.readouterr().out.splitlines() == out
    assert main([*command, "bootstrap.gamma_max=2.0"]) == 2
    assert "(different: bootstrap.gamma_max)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "answer"),
    [
        ("experiment=synthetic_bootstrap_tinny", "did you mean 'synthetic_bootstrap_tiny'?"),
        (f"{EXPERIMENT} labels=1.0", "labels: expected a share of the images above 0 and below 1, got 1.0"),
        (f"{EXPERIMENT} labels=0", "labels: expected a share of the images above 0 and below 1, got 0"),
        (f"{EXPERIMENT} labels=some", "above 0 and below 1, got 'some'"),
        (f"{EXPERIMENT} data.labels=0.2", "use labels=0.2"),
        (
            f"{EXPERIMENT} data.images=8 labels=0.99 bootstrap.boxes=truth",
            "labels: expected a share that leaves some of 8 pictures, got 0.99",
        ),
        (f"{EXPERIMENT} steps=700", "say bootstrap.first_steps=700, and bootstrap.round_steps=N"),
        (f"{EXPERIMENT} label=0.2", "unknown setting 'label': did you mean 'labels'?"),
        (f"{EXPERIMENT} data.images=null", "endless synthetic pictures"),
        (f"{EXPERIMENT} bootstrap.round=3", "unknown setting of bootstrap 'round': did you mean 'rounds'?"),
        (f"{EXPERIMENT} bootstrap.rounds=0", "expected 1 round or more"),
        (f"{EXPERIMENT} bootstrap.first_steps=many", "train.steps: expected a whole number, got 'many'"),
        (
            f"{EXPERIMENT} bootstrap.first_steps=100",
            "optimiser.warmup_steps: expected 0 to less than steps (100), got 500",
        ),
        (f"{EXPERIMENT} bootstrap.round_steps=100", "more steps than optimiser.warmup_steps (500)"),
        (f"{EXPERIMENT} bootstrap.boxes=true", "boxes: expected one of sparc, truth, none, got True"),
        (f"{EXPERIMENT} bootstrap.boxes=none", "filter.name: expected everything with boxes=none, got mask_in_box"),
        (f"{EXPERIMENT} bootstrap.filter=5", "bootstrap.filter: expected settings (bootstrap.filter.KEY=VALUE), got 5"),
        (
            f"{EXPERIMENT} bootstrap.filter.threshold=abc",
            "filter.threshold: expected 0 to 1, or null for the filter's own, got 'abc'",
        ),
        (f"{EXPERIMENT} bootstrap.gamma_max=inf", "bootstrap.gamma_max: expected a number, got inf"),
        (f"{EXPERIMENT} bootstrap.proposals=5", "proposals: expected a name, got 5"),
        (
            "experiment=s2rm_refcoco data.root=x",
            "proposals: expected a name for data.name=refcoco, got null",
        ),
        (f"{EXPERIMENT} bootstrap.filter.name=mask", "filter.name: expected one of"),
        (f"{EXPERIMENT} bootstrap.sparc.prompt=blue_box", "prompt: expected red_box or crop, got 'blue_box'"),
        (f"{EXPERIMENT} bootstrap.sparc.style.blur_px=-1", "expected figures of 0 or more"),
        (f"{EXPERIMENT} bootstrap.scorer=none.safetensors", "none.safetensors"),
        (f"{EXPERIMENT} device=cuda:99", "cuda:99"),
        ("labels=0.1 data=refcoco", "give data.root=FOLDER"),
    ],
)
def test_bad_input_is_one_line(
    overrides: str, answer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bootstrap", *overrides.split()]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and answer in said[0], said


def test_several_processes_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["bootstrap", EXPERIMENT, f"out={tmp_path}"]) == 2
    assert "expected one process, got several" in capsys.readouterr().err


def test_the_share_is_one_word_and_steps_follow() -> None:
    settings = bootstrap_config(["labels=0.2", "data.images=50", "steps=700"])
    assert settings.train.data.labels == 0.2 and (settings.first_steps, settings.round_steps) == (700, 700)
    tiny = bootstrap_config([EXPERIMENT, "labels=0.3"])
    assert (tiny.train.steps, tiny.round_steps, tiny.rounds) == (3000, 2000, 2)
    assert tiny.train.data.images == 2000 and tiny.round(1).steps == 2000


@pytest.mark.parametrize(
    ("name", "first", "others"),
    [("refcoco", 4240, 42_404), ("refcoco_plus", 4228, 42_278), ("refcocog", 4223, 42_226)],
)
def test_safari_at_its_size(name: str, first: int, others: int) -> None:
    """Seven rounds after one on a tenth of the references: 90 epochs of 128 a step, then 30 of the rest a round."""
    settings = bootstrap_config([f"experiment=safari_{name}", "labels=0.1", "data.root=x"])
    assert (settings.first_steps, settings.round_steps) == (round(90 * first / 128), round(30 * (others - first) / 128))
    assert (settings.rounds, settings.boxes, settings.start) == (7, "sparc", "previous")
    assert [settings.gamma(t) for t in (1, 7)] == pytest.approx([1 / 7, 1])
    assert settings.proposals == "facebook/detr-resnet-50" and settings.scorer.startswith("openai/clip")
    assert repr(settings.filter.build()) == "MaskInBox(threshold=0.9, box_iou=0.5)"
