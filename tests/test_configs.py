"""Every YAML under configs/ composes, and what cannot be composed is refused in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from image_core.building import build
from image_core.checkpoint import Provenance
from image_core.errors import ConfigError, RvosError, UnknownNameError
from image_core.models.safari import SafariConfig
from image_core.models.table import build_model
from image_core.training.config import OptimiserConfig, TrainConfig
from image_core.training.optimiser import lr_factor
from image_core.training.recipe import datasets
from rvos.configuration import (
    bootstrap_config,
    compose_config,
    config_folder,
    experiments,
    train_config,
)

FOLDER = config_folder()
ROOT = "data.root=/somewhere"  # for data that lies on disk; nothing here looks
ENTRIES: dict[str, Callable[[], object]] = {
    "train.yaml": lambda: train_config([]),
    "bootstrap.yaml": lambda: bootstrap_config(["data.images=100"]),
}
GROUPS: dict[str, Callable[[str], TrainConfig]] = {
    "data": lambda name: train_config([f"data={name}", ROOT]),
    "encoder": lambda name: train_config([f"encoder={name}"]),
    "experiment": lambda name: train_config([f"experiment={name}", ROOT]),
    "model": lambda name: train_config([f"model={name}"]),
    "schedule": lambda name: train_config([f"schedule={name}"]),
    "text": lambda name: train_config([f"text={name}"]),
}
HEADER = ("Publication", "Command", "Expected", "Cost")


def files() -> list[str]:
    return sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.y*ml"))


def said(overrides: list[str]) -> str:
    """The one line with which overrides are refused."""
    with pytest.raises(RvosError) as error:
        train_config(overrides)
    line = str(error.value)
    assert "\n" not in line and line
    return line


@pytest.mark.parametrize("file", files())
def test_every_yaml_composes(file: str) -> None:
    path = Path(file)
    if path.parent == Path():
        assert file in ENTRIES, f"configs/{file} is no known entry: tell this test how it is composed"
        ENTRIES[file]()
        return
    group = path.parent.as_posix()
    assert group in GROUPS, f"configs/{file} is in no known group: tell this test how it is composed"
    settings = GROUPS[group](path.stem)
    assert isinstance(settings, TrainConfig)


def test_every_yaml_was_counted() -> None:
    found = files()
    in_groups = [path for group in GROUPS for path in (FOLDER / group).glob("*.yaml")]
    assert len(found) == len(in_groups) + len(ENTRIES) >= 12
    assert {path.parent.name for path in in_groups} == set(GROUPS)
    everything = {path.name for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {name for name in everything if not name.endswith(".yaml")} <= {"__init__.py"}


@pytest.mark.parametrize("name", experiments())
def test_experiments_begin_with_what_a_reader_must_know(name: str) -> None:
    lines = (FOLDER / "experiment" / f"{name}.yaml").read_text().splitlines()
    comments = [line for line in lines[: lines.index("defaults:")] if line.startswith("# ")]
    assert comments[0] == "# @package _global_"
    labels = [match[1] for line in comments if (match := re.match(r"# ([A-Z][a-z]+): +\S", line))]
    assert labels == list(HEADER)
    command = next(line for line in comments if line.startswith("# Command:"))
    assert f"experiment={name}" in command.split()


@pytest.mark.parametrize("name", experiments())
def test_the_model_of_every_experiment_can_be_built(name: str) -> None:
    """On the meta device, with random weights: parts that do not fit each other are found here."""
    import dataclasses

    settings = train_config([f"experiment={name}", ROOT])
    plain = dataclasses.replace(
        settings.model,
        vision=dataclasses.replace(settings.model.vision, pretrained=False),
        text=dataclasses.replace(settings.model.text, pretrained=False),
    )
    with torch.device("meta"):
        model = build_model(plain)
    assert settings.preprocessing.multiple % model.size_multiple == 0
    assert settings.out == Path("runs") / name


@pytest.mark.parametrize("name", [name for name in experiments() if "safari" in name])
def test_the_gates_of_safari_can_open(name: str) -> None:
    """AdamW moves a number by about its learning rate a step; a gate is open from b = 0 on."""
    settings = train_config([f"experiment={name}", ROOT])
    rates = [lr_factor(step, settings.steps, settings.optimiser) for step in range(settings.steps)]
    way = settings.optimiser.lr * settings.optimiser.gate_factor * sum(rates)
    assert way > -build(SafariConfig, settings.model.config, "model").gate_start > 0


def test_the_synthetic_experiment_in_particular() -> None:
    settings = train_config(["experiment=synthetic_s2rm_tiny"])
    assert settings.data.name == "synthetic" and settings.model.config["update"] == "side_by_side"
    assert settings.optimiser.betas == (0.9, 0.98) and settings.sizes == ((0.0, 96), (0.6, 128))
    training, validation, words = datasets(settings.data, settings)
    assert training[0].image.shape == validation[0].image.shape == (128, 128, 3)
    assert words is not None and "red" in words
    assert Provenance(words=words).words == words


def test_the_command_line_has_the_last_word() -> None:
    settings = train_config(
        ["experiment=synthetic_s2rm_tiny", "steps=700", "optimiser.lr=3e-4", "out=runs/mine", "sizes=[]", "seed=5"]
    )
    assert (settings.steps, settings.optimiser.lr, settings.out, settings.sizes) == (700, 3e-4, Path("runs/mine"), ())
    assert settings.seed == 5 and settings.optimiser.decay == "cosine"


def test_what_a_part_knows_need_not_be_in_the_yaml() -> None:
    """Fields of the model and options of the encoders: the ablations are one word on the command line."""
    settings = train_config(
        [
            "experiment=synthetic_s2rm_tiny",
            "model.config.balancing=none",
            "model.config.directions=[l2v]",
            "model.config.channels=64",
            "text.options.num_hidden_layers=1",
            "encoder.options.stem_width=8",
        ]
    )
    config = settings.model.config
    assert (config["balancing"], config["directions"], config["channels"]) == ("none", ["l2v"], 64)
    assert settings.model.text.options["num_hidden_layers"] == 1
    assert settings.model.vision.options["stem_width"] == 8


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        ("step=5", "unknown setting 'step': did you mean 'steps'?"),
        ("optimiser.lrr=1", "unknown setting of optimiser 'lrr': did you mean 'lr'?"),
        ("preprocessing.size_pix=64", "unknown setting of preprocessing 'size_pix': did you mean 'size_px'?"),
        ("model.max_word=9", "unknown setting of model 'max_word': did you mean 'max_words'?"),
        ("+model.max_word=9", "unknown setting of model 'max_word': did you mean 'max_words'?"),
        ("+data.rot=x", "unknown setting of data 'rot': did you mean 'root'?"),
        ("+stepps=4", "unknown setting of train 'stepps': did you mean 'steps'?"),
        ("modl=s2rm", "unknown setting 'modl': did you mean 'model'?"),
        ("model=s2rn", "unknown model 's2rn': did you mean 's2rm'?"),
        ("schedule=adamw_cosin", "unknown schedule 'adamw_cosin': did you mean 'adamw_cosine'?"),
        ("experiment=synthetic-s2rm-tinny", "did you mean 'synthetic_s2rm_tiny'?"),
    ],
)
def test_unknown_names_suggest_the_nearest(override: str, answer: str) -> None:
    with pytest.raises(UnknownNameError):
        train_config([override])
    assert answer in said([override])


@pytest.mark.parametrize(
    "text",
    ["the dog, left", "a man's hat?", "red = blue", "steps=1,2", "steps", "=", "", "[", "out=${nowhere}", "out=???"],
)
def test_text_that_is_no_setting(text: str) -> None:
    assert isinstance(said([text]), str)


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        ("steps=many", "train.steps: expected a whole number, got 'many'"),
        ("steps=10.5", "train.steps: expected a whole number, got 10.5"),
        ("steps=true", "train.steps: expected a whole number, got True"),
        ("optimiser.lr=fast", "optimiser.lr: expected a number, got 'fast'"),
        ("data.augment=7", "data.augment: expected true or false, got 7"),
        (
            "data.augment=7 data.name=3",
            "data.name: expected a text, got 3; data.augment: expected true or false, got 7",
        ),
        ("steps=0", "expected at least 1"),
        ("sizes=96", "sizes: expected pairs [share of the run, pixels], got 96"),
        ("sizes=[[0.0]]", "expected pairs [share of the run, pixels]"),
        ("optimiser.betas=[0.9]", "optimiser.betas: expected two numbers from 0 to below 1, got (0.9,)"),
        ("precision=fp16", "precision: expected one of auto, fp32, bf16, got fp16"),
        ("schedule=adamw_cosine steps=100", "optimiser.warmup_steps: expected 0 to less than steps (100), got 500"),
        ("preprocessing.size_px=50", "preprocessing.size_px: expected a multiple of 32 to squash to, got 50"),
        (
            "preprocessing.resize=stretch",
            "expected one of squash, keep_ratio, short_side, got 'stretch'",
        ),
        ("preprocessing=5", "preprocessing: expected settings"),
        ("data=refcoco", "give data.root=FOLDER"),
        ("out=null", "out: expected a folder, got None"),
        ("model=null", "configuration model=null"),
    ],
)
def test_values_that_cannot_be(override: str, answer: str) -> None:
    line = said(override.split())
    assert answer in line, line


def test_settings_of_two_groups_are_told_together() -> None:
    line = said(["precision=fp16", "ema=2.0", "optimiser.decay=cosin"])
    assert all(f"got {value}" in line for value in ("fp16", "2.0", "cosin"))


def test_composing_leaves_no_state_behind() -> None:
    before = compose_config("train", ["experiment=synthetic_s2rm_tiny"])
    said(["nonsense"])
    assert compose_config("train", ["experiment=synthetic_s2rm_tiny"]) == before
    assert compose_config("train", [])["preprocessing"]["size_px"] == 480


def test_lists_become_tuples_and_unknown_keys_are_refused() -> None:
    assert build(OptimiserConfig, {"betas": [0.5, 0.6], "lr": 1}, "optimiser") == OptimiserConfig(
        betas=(0.5, 0.6), lr=1
    )
    with pytest.raises(UnknownNameError, match="setting of optimiser 'bettas': did you mean 'betas'"):
        build(OptimiserConfig, {"bettas": [0.5, 0.6]}, "optimiser")
    with pytest.raises(ConfigError, match=r"optimiser\.lr: expected a number, got None"):
        build(OptimiserConfig, {"lr": None}, "optimiser")
