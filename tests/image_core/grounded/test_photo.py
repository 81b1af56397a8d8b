"""The name `photo`: refused in one line without its weights, and with them segments a real frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from image_core.errors import CheckpointError, ConfigError
from image_core.geometry.masks import overlap
from image_core.mask_model import ask, describe, identify_model, resolve_model
from tests.image_core.grounded.conftest import Reference


def test_without_its_weights_it_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVOS_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match="not fetched; run `rvos models fetch photo`"):
        resolve_model("photo", "cpu")
    with pytest.raises(ConfigError, match="precision: expected fp32 with the model 'photo', got bf16"):
        resolve_model("photo", "cpu", "bf16")
    known = identify_model("photo")
    assert known.name == "photo" and known.adapter == "grounded" and len(known.revision) == 64 and known.licence


@pytest.mark.weights
@pytest.mark.shared
def test_it_finds_what_a_real_frame_shows_and_nothing_else(photo: Path, reference: Reference) -> None:
    model = resolve_model("photo", "cpu")
    assert describe(model) == identify_model("photo")
    noun = {"dog": "dog", "car-shadow": "car", "dance-twirl": "woman"}[reference.name]
    found, absent = ask(model, reference.image, [f"the {noun}", "the giraffe"])
    assert found.presence >= 0.5 > absent.presence
    intersection, union = overlap(found.mask(reference.mask.shape), reference.mask)
    assert intersection / union > 0.5
