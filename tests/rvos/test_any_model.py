"""Whoever has a model writes one file: it runs on the command line and in Python, and resumes after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from image_core.answer import MaskAnswer
from image_core.errors import ConfigError, RvosError
from image_core.identity import ModelIdentity
from rvos import VideoSegmenter
from rvos.image_model import ImageModelHandle

ROOT = Path(__file__).resolve().parents[2]
MODEL = "tests.clipseg_model:random_clipseg"
EXPRESSIONS = ("the red circle", "a blue star")


class Colours:
    """Nothing but `segment`: what is clearly of the colour that an expression names."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        self.asked.append(tuple(expressions))
        strong = image.astype(int) - image.astype(int).mean(2, keepdims=True) > 60
        masks = [strong[..., 0 if "red" in text else 1] for text in expressions]
        return [MaskAnswer.of_mask(mask, presence=float(mask.any())) for mask in masks]


def run(*arguments: str | Path, folder: Path) -> subprocess.Popen[bytes]:
    """`rvos ARGUMENTS` in a process of its own, started where the tests of this checkout are found."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rvos.cli", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=(folder / "stderr.txt").open("wb"))


def test_clipseg_on_the_command_line_is_killed_and_continued_to_the_same_bytes(
    make_clip: Callable[..., Path], tmp_path: Path, offline: Callable[..., Any]
) -> None:
    """Random weights; not more than 60 lines of somebody's own (tests/clipseg_model.py)."""
    assert len((ROOT / "tests" / "clipseg_model.py").read_text().splitlines()) <= 60
    clip = make_clip(80)
    common = ("segment", clip, *EXPRESSIONS, "--model", MODEL, "--save", "masks", "--quiet", "--out")
    whole = offline(*common, tmp_path / "whole")
    assert whole.code == 0, whole.err
    killed = run(*common, tmp_path / "killed", folder=tmp_path)
    log = tmp_path / "killed" / "frames.jsonl"
    while killed.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") > 2 * 52):
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "result.json").exists(), "it was killed before its end"
    assert offline(*common, tmp_path / "killed").code == 0
    assert json.loads((tmp_path / "killed" / "timing.json").read_text())["frames_replayed"] >= 50
    assert log.read_bytes() == (tmp_path / "whole" / "frames.jsonl").read_bytes()
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole" / "masks").rglob("*.png"))
    assert len(files) == 160
    assert all((tmp_path / "whole" / f).read_bytes() == (tmp_path / "killed" / f).read_bytes() for f in files)
    result = json.loads((tmp_path / "whole" / "result.json").read_text())
    assert MODEL in json.dumps(result), "the result says which model made it"


def test_an_object_in_python_is_the_model(frames: np.ndarray) -> None:
    model = Colours()
    result = VideoSegmenter(model=model, tracker="none").segment(frames, ["the red thing", "the green thing"])
    assert [result.record(t, 1).present for t in (0, 8, 9)] == [True, True, False]
    assert result.record(3, 0).box_xyxy == (5, 6, 21, 22) and len(model.asked) == 12


def test_with_key_frames_it_is_asked_on_these_and_by_those_that_lost_their_target(frames: np.ndarray) -> None:
    model = Colours()
    texts = ["the red thing", "the green thing"]
    segmenter = VideoSegmenter(model=model, key_frames="every:4", decode="key")
    result = segmenter.segment(frames, texts)
    assert model.asked.count(tuple(texts)) == 3 and result.record(5, 0).present
    assert all(set(asked) <= set(texts) for asked in model.asked)


def test_features_cannot_be_propagated_of_a_model_that_shows_none(frames: np.ndarray) -> None:
    from image_core.errors import ConfigError

    with pytest.raises(ConfigError, match="propagation"):
        VideoSegmenter(model=Colours(), key_frames="every:4", propagation="flow").segment(frames, ["the red thing"])


class Told:
    """A model that tells what it is."""

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        return [MaskAnswer.of_mask(image.mean(2) > 200) for _ in expressions]

    def describe(self) -> ModelIdentity:
        return ModelIdentity("told", "7", "python", "MIT")


def test_a_run_records_the_document_of_a_model_of_a_module() -> None:
    handle = ImageModelHandle(f"{__name__}:Told")
    assert handle.document() == Told().describe().document()
    assert len(ImageModelHandle("tests.clipseg_model:random_clipseg").document()["revision"]) == 64


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("device", "gpu", "device: expected auto, cpu, cuda or cuda:0, got 'gpu'"),
        ("precision", "bf61", "precision 'bf61'"),
        ("device", "cpu", "device: expected none beside Told, which brings its own, got cpu: leave it out"),
        ("precision", "bf16", "precision: expected none beside Told"),
    ],
)
def test_device_and_precision_are_checked_at_birth_and_refused_beside_an_object(
    key: str, value: str, message: str
) -> None:
    model = Told() if "beside" in message else "tests.clipseg_model:random_clipseg"
    options: Any = {key: value}
    for make in (ImageModelHandle, VideoSegmenter):
        with pytest.raises(RvosError, match=message):
            make(model, **options)
    with pytest.raises(RvosError):
        VideoSegmenter(ImageModelHandle(), **options)


@pytest.mark.parametrize(
    ("wrong", "got"), [(None, "NoneType"), (3, "int"), (Told, "the class Told: call it"), (len, "builtin_func")]
)
def test_what_is_no_model_is_refused_at_birth(wrong: Any, got: str) -> None:
    expected = r"model: expected a name, a file or an object with segment\(image, expressions\), got "
    with pytest.raises(ConfigError, match=expected + got):
        VideoSegmenter(wrong)


def test_expressions_on_one_image_are_checked_as_in_a_video(frames: np.ndarray) -> None:
    class Bare:
        def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[Any]:
            image[:] = 0
            return [image[..., 0] == 0]

    picture = frames[0].copy()
    model: Any = Bare()
    with pytest.raises(TypeError, match=r"Bare.segment: expected a list of MaskAnswer, got \['ndarray'\]"):
        VideoSegmenter(model).system.answers(picture, ["anything"])
    assert (picture == frames[0]).all()


def test_a_model_that_writes_into_its_image_changes_no_frame(frames: np.ndarray) -> None:
    class Writing:
        def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
            image[:] = 0
            return [MaskAnswer.of_mask(image[..., 0] == 0) for _ in expressions]

    kept = frames.copy()
    assert VideoSegmenter(Writing(), tracker="none").segment(frames, ["all"]).record(0).rle
    assert np.array_equal(frames, kept)
