"""What a run's folder loses, or has damaged, between two calls: told in one line, or made again, and never ignored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from image_core.checkpoint import load_model
from image_core.errors import DamagedError, DataError
from image_core.sample import ImageSample
from image_core.segmenter import ImageSegmenter
from image_core.synthetic.dataset import SyntheticImages
from image_core.training.config import DataConfig, OptimiserConfig, TrainConfig
from image_core.training.recipe import train
from image_core.weak.bootstrap import bootstrap
from image_core.weak.box_source import TrueBoxes
from image_core.weak.config import BootstrapConfig, FilterConfig
from image_core.weak.labelling import Labeller
from image_core.weak.ledger import Ledger, PseudoLabel
from image_core.weak.unlabelled import PseudoLabelled, Unlabelled

MakeSettings = Callable[..., TrainConfig]
COUNT = 10


class Pictures(SyntheticImages):
    """Ten pictures, of which `broken` cannot be read."""

    def __init__(self, broken: int = -1) -> None:
        super().__init__("train", 0, (32, 32), 3, length=COUNT)
        self.broken = broken

    def __getitem__(self, index: int) -> ImageSample:
        if index == self.broken:
            raise DataError("no such picture")
        return super().__getitem__(index)


@pytest.fixture(scope="module")
def trained(tiny_settings: MakeSettings) -> TrainConfig:
    """A finished training."""
    settings = tiny_settings()
    train(settings)
    return settings


@pytest.fixture(scope="module")
def bootstrapped(tiny_settings: MakeSettings) -> BootstrapConfig:
    """A finished run of two rounds, judged by true boxes."""
    optimiser = OptimiserConfig(lr=3e-2, warmup_steps=1, decay="cosine")  # three steps, and masks are drawn
    own = tiny_settings(steps=3, data=DataConfig(images=COUNT, labels=0.3), optimiser=optimiser, eval_every=3)
    settings = BootstrapConfig(own, 3, 3, boxes="truth", filter=FilterConfig(threshold=0.05, box_iou=0.0))
    bootstrap(settings)
    return settings


@pytest.fixture
def labeller(bootstrapped: BootstrapConfig) -> Labeller:
    """Of the last round's model."""
    segmenter = ImageSegmenter.load(bootstrapped.train.out / "round_2" / "model.safetensors", "cpu")
    return Labeller(segmenter, TrueBoxes(Pictures()), bootstrapped.filter.build())


@pytest.mark.parametrize("name", ["settings.json", "state.pt", "log.jsonl"])
@pytest.mark.parametrize("content", [b"\n", b"{\n", b"\xff" * 99 + b"\n"])
def test_a_damaged_file_of_a_run_is_named(trained: TrainConfig, tmp_path: Path, name: str, content: bytes) -> None:
    settings = replace(trained, out=tmp_path / "run")
    shutil.copytree(trained.out, settings.out)
    (settings.out / "model.safetensors").unlink()  # or a finished run would have nothing to read
    (settings.out / name).write_bytes(content)
    with pytest.raises(DamagedError, match=rf"{name}.*: cannot be read") as caught:
        train(settings)
    assert "\n" not in str(caught.value)


def test_a_model_file_that_is_gone_is_made_again(trained: TrainConfig, tmp_path: Path) -> None:
    settings = replace(trained, out=tmp_path / "run")
    shutil.copytree(trained.out, settings.out)
    (settings.out / "model.safetensors").unlink()
    own, theirs = (
        load_model(out / "model.safetensors").model.state_dict() for out in (train(settings).parent, trained.out)
    )
    assert all(torch.equal(own[name], theirs[name]) for name in own)
    assert (settings.out / "log.jsonl").read_bytes() == (trained.out / "log.jsonl").read_bytes()


def test_a_ledger_that_lost_lines_is_not_trained_on(bootstrapped: BootstrapConfig, tmp_path: Path) -> None:
    """With the counts away, which told that it was done, it is filled up to what it was."""
    before, again = (
        bootstrapped.train.out,
        replace(bootstrapped, train=replace(bootstrapped.train, out=tmp_path / "run")),
    )
    shutil.copytree(before, again.train.out)
    (again.train.out / "bootstrap.json").unlink()
    shutil.rmtree(again.train.out / "round_2")
    ledger = again.train.out / "ledger.jsonl"
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:-5]))
    with pytest.raises(DamagedError, match=r"ledger.jsonl: round 2 has .* lines are lost .*; remove .*labels_2"):
        bootstrap(again)
    assert not (again.train.out / "round_2").exists()
    (again.train.out / "labels_2.json").unlink()
    bootstrap(again)
    assert ledger.read_bytes() == (before / "ledger.jsonl").read_bytes()
    own, theirs = (
        load_model(out / "round_2" / "model.safetensors").model.state_dict() for out in (again.train.out, before)
    )
    assert all(torch.equal(own[name], theirs[name]) for name in own)


def test_an_image_that_failed_is_asked_no_second_time(labeller: Labeller, tmp_path: Path) -> None:
    """Not even where the kill came just after its line."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    failed = PseudoLabel(1, 3, "", "failed", "no such picture")
    ledger.append([failed])
    labeller.label_all(1, Unlabelled(Pictures(), [3, 4]), ledger)
    lines = list(ledger.labels(1))
    assert lines[0] == failed and [label.index for label in lines[1:]] == [4, 4, 4]


def test_an_image_that_fails_after_its_start_reports_both(labeller: Labeller, tmp_path: Path) -> None:
    whole, begun = Ledger(tmp_path / "whole.jsonl"), Ledger(tmp_path / "begun.jsonl")
    labeller.label_all(1, Unlabelled(Pictures(), [4]), whole)
    first = list(whole.labels(1))[:2]
    begun.append(first)
    labeller.label_all(1, Unlabelled(Pictures(broken=4), [4]), begun)
    assert list(begun.labels(1)) == [*first, PseudoLabel(1, 4, "", "failed", "no such picture")]


def test_a_damaged_mask_of_the_ledger_is_named(bootstrapped: BootstrapConfig) -> None:
    labels = Ledger(bootstrapped.train.out / "ledger.jsonl").labels(1)
    label = next(label for label in labels if label.verdict == "accepted")
    cut = replace(label, mask={"size": [32, 32], "counts": [1]})
    assert np.any(PseudoLabelled(Unlabelled(Pictures(), [cut.index]), [label])[0].masks)
    with pytest.raises(DataError, match=f"ledger, round 1, expression {cut.expression_id} of picture {cut.index}: RLE"):
        PseudoLabelled(Unlabelled(Pictures(), [cut.index]), [cut])[0]
