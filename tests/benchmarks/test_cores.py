"""The comparison of cores is one of equals."""

from pathlib import Path

import pytest
import torch

from benchmarks.accuracy.cores import ABLATIONS, CORES, DENSE, Start
from benchmarks.harness.trained_encoders import with_encoders_of
from image_core.checkpoint import load_model
from image_core.errors import ConfigError
from image_core.weights import find_model


def test_cores_are_trained_alike() -> None:
    """On the same pictures, as many of them, at one size; the networks alone differ."""
    start = Start(None, 200)
    settings = {name: start.settings(name, core, 3) for name, core in CORES.items()}
    first = settings["s2rm"]
    assert {s.model.name for s in settings.values()} == set(CORES)
    assert len({s.out for s in settings.values()}) == len(CORES)
    for name, each in settings.items():
        shared = (each.data, each.preprocessing, each.steps, each.batch_images, each.sizes, each.seed, each.ema)
        assert shared == (first.data, first.preprocessing, 200, 8, first.sizes, 3, first.ema), name
        assert each.model.max_words == first.model.max_words, name


def test_ablations_change_a_core_that_begins_alike() -> None:
    start = Start(Path("encoders.safetensors"), 200)
    whole = {name: start.settings(name, CORES[name], 0) for name in DENSE}
    for name, core in ABLATIONS.items():
        changed = start.settings(name, core, 0)
        beside = whole[name.split(",")[0]]
        assert changed.model.name == beside.model.name
        assert changed.model.config != beside.model.config, name
        assert changed.model.vision == beside.model.vision and changed.model.text == beside.model.text


def test_a_core_begins_with_the_encoders_of_another_model(tmp_path: Path) -> None:
    given = load_model(find_model("s2rm_tiny")).model.state_dict()
    settings = Start(None, 200).settings("haris", CORES["haris"], 0)
    with_encoders_of(find_model("s2rm_tiny"), settings, tmp_path / "start.safetensors")
    begun = load_model(tmp_path / "start.safetensors").model
    assert type(begun).__name__ == "Haris"
    for name, value in begun.state_dict().items():
        if name.startswith(("vision.", "text.")):
            assert torch.equal(value, given[name]), name


def test_other_encoders_are_refused(tmp_path: Path) -> None:
    settings = Start(None, 200).settings("safari", CORES["safari"], 0)
    with pytest.raises(ConfigError, match=r"expected those of the safari of the settings, got those of .*s2rm_tiny"):
        with_encoders_of(find_model("s2rm_tiny"), settings, tmp_path / "start.safetensors")
