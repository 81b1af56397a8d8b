"""From which presence on a target is shown: what was wanted, looked up by model."""

from __future__ import annotations

from pathlib import Path

import pytest

from image_core.identity import ModelIdentity
from rvos.parts import tracker_config
from rvos.system import VideoSystem
from rvos.tracking.belief.presence_levels import DEFAULT_THRESHOLD, FILE, presence_threshold_for, write_levels
from rvos.tracking.tracks import TracksConfig

MODEL = ModelIdentity("ours", "abc", "file", "MIT")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "levels.json"
    write_levels("ours", "abc", "a command", [(1.0, 0.0), (0.9, 0.2), (0.8, 0.6)], path)
    return path


@pytest.mark.parametrize(("wanted", "level"), [(1.0, 0.0), (0.95, 0.1), (0.9, 0.2), (0.85, 0.4), (0.3, 0.6)])
def test_a_wanted_t_acc_has_its_level(file: Path, wanted: float, level: float) -> None:
    assert presence_threshold_for(MODEL, wanted, file) == pytest.approx(level)


def test_a_model_without_a_measurement_has_the_threshold_one_half(file: Path) -> None:
    assert (
        presence_threshold_for(None, 0.95, file)
        == DEFAULT_THRESHOLD
        == presence_threshold_for(ModelIdentity("ours", "new", "file", ""), 0.95, file)
    )
    assert presence_threshold_for(ModelIdentity("other", "abc", "file", ""), 0.95, file) == DEFAULT_THRESHOLD


def test_what_is_entered_for_one_model_leaves_the_others(file: Path) -> None:
    write_levels("second", "def", "a command", [(1.0, 0.3)], file)
    assert presence_threshold_for(MODEL, 0.9, file) == pytest.approx(0.2)
    assert presence_threshold_for(ModelIdentity("second", "def", "file", ""), 0.5, file) == pytest.approx(0.3)


def test_a_system_knows_its_level_and_records_it() -> None:
    system = VideoSystem("s2rm_tiny", tracker="tracks")
    level = presence_threshold_for(system.model.project_identity, 0.95)
    assert FILE.is_file() and level != DEFAULT_THRESHOLD
    assert system.document()["tracker"]["presence_threshold"] == level
    own = VideoSystem("s2rm_tiny", tracker=tracker_config("tracks", presence_threshold=0.3))
    assert own.document()["tracker"]["presence_threshold"] == 0.3
    assert TracksConfig().for_model(None).presence_threshold == DEFAULT_THRESHOLD
