"""The default model at first use: its weights are downloaded once, after what is cheap to check, or told how to get."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from image_core.answer import MaskAnswer
from image_core.device_names import Precision, check_precision
from image_core.errors import CheckpointError, ConfigError
from image_core.grounded.photo import PHOTO
from image_core.identity import ModelIdentity
from image_core.mask_model import PACKAGED, PackagedModel, WeightsProvider
from image_core.weights.cache import folder_of
from image_core.weights.manifest import bundle_of
from rvos import VideoSegmenter
from tests.package_shelf import Shelf, stand_in

Rvos = Callable[..., Any]
BROUGHT = "tiny: 0 MB are downloaded once into"


class Red:
    """Slow, as it says, and sees what is red."""

    is_slow = True

    def __init__(self) -> None:
        self.asked = 0

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        self.asked += 1
        mask = image[..., 0].astype(int) - image[..., 1] > 60
        return [MaskAnswer.of_mask(mask, presence=float(mask.any())) for _ in expressions]

    def understood(self, expression: str) -> dict[str, Any]:
        return {"noun": expression.split()[-1]}


@pytest.fixture
def red() -> Red:
    return Red()


@pytest.fixture
def shelf(rvos: Rvos, red: Red, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """The packages of the bundle `tiny`, of whose files the default model is made."""

    def build(device: str, precision: Precision, weights: WeightsProvider) -> Red:
        check_precision(precision)
        if precision != "fp32":
            raise ConfigError("precision: expected fp32")
        assert all(path.is_file() for path in weights("tiny").values())
        return red

    monkeypatch.setitem(PACKAGED, "photo", PackagedModel(build, lambda: ModelIdentity("photo", "1"), is_slow=True))
    return stand_in(tmp_path, monkeypatch)


def test_weights_are_downloaded_on_first_use_after_one_line(
    rvos: Rvos, shelf: Shelf, make_clip: Callable[..., Path], red: Red
) -> None:
    clip = make_clip(9)
    outcome = rvos("segment", clip, "the red thing", "--out", "out", "--json")
    assert outcome.code == 0 and len(outcome.err) == 1 and outcome.err[0].startswith(BROUGHT)
    document = json.loads("\n".join(outcome.out))
    assert (document["settings"]["key_frames"], document["settings"]["decode"], red.asked) == ("every:4", "key", 3)
    assert document["understood"] == [{"noun": "thing"}] and document["summary"]["per_expression"][0]["frames_present"]
    outcome = rvos("segment", clip, "the red thing", "--out", "again", "--set", "key_frames=all", "--json")
    document = json.loads("\n".join(outcome.out))
    assert (outcome.err, document["settings"]["key_frames"], red.asked) == ([], "all", 12)
    assert shelf.asked_of_npm() == ["masker@1.2.3"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("segment", "gone.mp4", "the dog"), "gone.mp4"),
        (("segment", "clip.mp4", " "), "blank"),
        (("segment", "clip.mp4", "the dog", "--save", "ovelray"), "did you mean 'overlay'"),
        (("segment", "clip.mp4", "the dog", "--precision", "bf16"), "expected fp32"),
        (("segment", "clip.mp4", "the dog", "--propagation", "flow"), "which exposes no features"),
        (("segment", "clip.mp4", "the dog", "--out", "letters"), "letter.txt"),
        (("segment", "clip.mp4", "the dog", "--out", "clip.mp4/out"), "clip.mp4/out"),
        (("segment", "clip.mp4", "the dog", "--out", "other"), "another run"),
        (("demo", "--video", "gone.mp4", "--text", "the dog"), "gone.mp4"),
        (("evaluate", "ref-davis17", "--root", "gone"), "gone"),
        (("evaluate", "synthetic-images", "--split", "tset"), "did you mean 'test'"),
    ],
)
def test_cheap_checks_come_before_any_download(
    arguments: tuple[str, ...], words: str, rvos: Rvos, shelf: Shelf, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    make_clip(3)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("dear reader")
    if "other" in arguments:
        assert rvos("segment", "clip.mp4", "the star", "--model", "s2rm_tiny", "--out", "other").code == 0
    out = () if "--out" in arguments else ("--out", "out")
    outcome = rvos(*arguments, *out)
    assert outcome.code == 2 and len(outcome.err) == 1 and words in outcome.err[0], outcome
    assert not folder_of(bundle_of("tiny")).exists() and not shelf.asked_of_npm()


def test_a_failed_download_is_one_line_and_leaves_no_files(
    rvos: Rvos, shelf: Shelf, make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELF_NPM", "npm error code ECONNREFUSED")
    make_clip(3)
    outcome = rvos("segment", "clip.mp4", "the dog", "--out", "out", "--quiet")
    assert outcome.code == 2 and len(outcome.err) == 1 and "the registry does not answer" in outcome.err[0]
    assert not (tmp_path / "out").exists()


def test_a_tracker_that_carries_nothing_and_explicit_settings_win(
    rvos: Rvos, shelf: Shelf, make_clip: Callable[..., Path]
) -> None:
    clip = make_clip(3)
    chosen = {
        ("--tracker", "none"): ("all", "every"),
        ("--set", "decode=every"): ("all", "every"),
        ("--set", "key_frames=adaptive:9"): ("adaptive:9", "key"),
        ("--set", "key_frames=every:2"): ("every:2", "key"),
    }
    for number, (options, wanted) in enumerate(chosen.items()):
        outcome = rvos("segment", clip, "the dog", "--out", str(number), *options, "--json")
        settings = json.loads("\n".join(outcome.out))["settings"]
        assert (settings["key_frames"], settings["decode"]) == wanted, options


def test_python_downloads_no_weights(shelf: Shelf, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGED, "photo", PHOTO)
    with pytest.raises(CheckpointError, match=r"got: not fetched; run `rvos models fetch photo`$"):
        VideoSegmenter().segment(frames, ["the dog"])
    assert not shelf.asked_of_npm()


def test_a_slow_model_runs_on_fewer_frames_and_reports_what_it_understood(frames: np.ndarray, red: Red) -> None:
    segmenter = VideoSegmenter(red)
    assert segmenter.segment(frames, ["the red thing"]).frame_count == 12 and red.asked == 3
    assert segmenter.document()["key_frames"] == "every:4"
    assert VideoSegmenter(red, tracker="none").document()["key_frames"] == "all"


def test_what_a_model_prints_does_not_spoil_the_result(rvos: Rvos, make_clip: Callable[..., Path]) -> None:
    lines = [
        "from image_core.answer import MaskAnswer",
        "print('imported')",
        "class Talking:",
        "    def __init__(self):",
        "        print('made')",
        "    def segment(self, image, expressions):",
        "        print('asked')",
        "        return [MaskAnswer.of_mask(image[..., 0] > 200) for _ in expressions]",
    ]
    clip = make_clip(2)
    clip.with_name("talking_model.py").write_text("\n".join(lines))
    outcome = rvos("segment", clip, "the red thing", "--model", "talking_model:Talking", "--out", "out", "--json")
    assert json.loads("\n".join(outcome.out))["summary"]["frames"] == 2
    assert outcome.err == ["imported", "made", "asked", "asked"]


def test_doctor_says_how_to_download_missing_weights(rvos: Rvos, shelf: Shelf) -> None:
    model = json.loads("\n".join(rvos("doctor", "--json").out))["model"]
    assert model["loads"] is False and "`rvos models fetch tiny`" in model["problem"]
    assert rvos("models", "fetch", "tiny").code == 0
    assert json.loads("\n".join(rvos("doctor", "--json").out))["model"]["loads"] is True
