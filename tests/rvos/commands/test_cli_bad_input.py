"""Bad input: exit code 2, one line on stderr that says what came and what to do, and nothing left behind."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import safetensors.numpy
from filelock import FileLock

from image_core.checkpoint import load_model
from image_core.folder import LOCK

Rvos = Callable[..., Any]
SEEN = "the red thing"


def assert_refused(outcome: Any, *words: str) -> None:
    assert (outcome.code, outcome.out, len(outcome.err)) == (2, [], 1), outcome
    assert outcome.err[0].startswith("rvos: ") and all(word in outcome.err[0] for word in words), outcome.err


def _missing(folder: Path, clip: Path) -> Path:
    return folder / "missing.mp4"


def _empty(folder: Path, clip: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def _text(folder: Path, clip: Path) -> Path:
    (folder / "text.mp4").write_text("a letter, not a video\n" * 50)
    return folder / "text.mp4"


def _cut(folder: Path, clip: Path) -> Path:
    (folder / "cut.mp4").write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    return folder / "cut.mp4"


def _audio(folder: Path, clip: Path) -> Path:
    with av.open(str(folder / "audio.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return folder / "audio.mp4"


def _empty_folder(folder: Path, clip: Path) -> Path:
    (folder / "nothing").mkdir()
    return folder / "nothing"


def _mixed_folder(folder: Path, clip: Path) -> Path:
    (folder / "mixed").mkdir()
    for index, size in enumerate([(8, 8, 3), (8, 8, 3), (8, 9, 3)]):
        cv2.imwrite(str(folder / "mixed" / f"{index}.png"), np.zeros(size, np.uint8))
    return folder / "mixed"


@pytest.mark.parametrize(
    "make", [_missing, _empty, _text, _cut, _audio, _empty_folder, _mixed_folder], ids=lambda make: make.__name__[1:]
)
def test_a_source_that_is_no_video(
    make: Callable[[Path, Path], Path], rvos: Rvos, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    source = make(tmp_path, make_clip(10))
    assert_refused(rvos("segment", source, SEEN, "--out", "out"), source.name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ("no expression",)),
        ([""], ("no empty argument",)),
        ([" "], ("blank",)),
        ([SEEN, " \t"], ("expression 2 is blank",)),
        ([SEEN, "--model", "s2rm_tiyn"], ("unknown model 's2rm_tiyn'", "did you mean 's2rm_tiny'")),
        ([SEEN, "--model", "elsewhere/model.safetensors"], ("elsewhere/model.safetensors", "got nothing there")),
        ([SEEN, "--propagation", "non"], ("unknown propagation 'non'", "did you mean 'none'")),
        ([SEEN, "--tracker", "nome"], ("unknown tracker 'nome'", "did you mean 'none'")),
        ([SEEN, "--sav", "overlay"], ("--sav", "rvos segment --help tells what there is")),
        ([SEEN, "--save", "overlya"], ("did you mean 'overlay'",)),
        ([SEEN, "--device", "cuda:7"], ("cuda:7", "--device")),
        ([SEEN, "--device", "abacus"], ("abacus",)),
        ([SEEN, "--precision", "fp16"], ("fp16", "bf16")),
        ([SEEN, "--set", "video.stream=3"], ("video stream", "got 3")),
        ([SEEN, "--set", "video.backend=cv2"], ("video.backend",)),
        ([SEEN, "--set", "key_frames=every:3", "--tracker", "none"], ("key_frames", "every:3")),
        ([SEEN, "--set", "key_frames=every:0"], ("key_frames: expected a whole number of 1 or more, got 0",)),
        ([SEEN, "--set", "sampling=stride:0"], ("sampling: stride: expected a whole number of 1 or more, got 0",)),
        ([SEEN, "--propagation", "flow", "--set", "key_frames=all"], ("propagation: got flow with key_frames=all",)),
        (
            [SEEN, "--tracker", "none", "--set", "tracker=memory"],
            ("tracker: expected one, got --tracker none and --set tracker=memory",),
        ),
    ],
)
def test_options_that_contradict_each_other(
    arguments: list[str], words: tuple[str, ...], rvos: Rvos, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    assert_refused(rvos("segment", make_clip(4), *arguments, "--out", "out"), *words)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(rvos: Rvos, make_clip: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file, and no folder")
    assert_refused(rvos("segment", make_clip(4), SEEN, "--out", "file/out"), "file/out", "--out")
    assert_refused(rvos("segment", make_clip(4), SEEN, "--out", "file"), "file")


def test_a_folder_that_holds_something_else(rvos: Rvos, make_clip: Callable[..., Path], tmp_path: Path) -> None:
    clip = make_clip(4)
    assert rvos("segment", clip, SEEN, "--out", "out").code == 0
    assert_refused(rvos("segment", clip, "the green thing", "--out", "out"), "another run", "--overwrite")
    assert rvos("segment", clip, "the green thing", "--out", "out", "--overwrite").code == 0
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("dear reader")
    assert_refused(rvos("segment", clip, SEEN, "--out", "letters", "--overwrite"), "letter.txt")


def test_a_folder_that_is_in_use(rvos: Rvos, make_clip: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / LOCK):
        assert_refused(rvos("segment", make_clip(4), SEEN, "--out", "out"), "out", "in use")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: b"", "not a whole safetensors file"),
        (lambda: safetensors.numpy.save({"w": np.ones(8)})[:-8], "not a whole safetensors file"),
        (lambda: safetensors.numpy.save({"w": np.ones(8)}), "expected a model file written by"),
        (lambda: pickle.dumps({"model": 1}), "pickle"),
    ],
    ids=["empty", "truncated", "another project's", "pickle"],
)
def test_a_model_file_that_cannot_be_used(
    content: Callable[[], bytes],
    words: str,
    rvos: Rvos,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from image_core.segmenter import ImageSegmenter

    monkeypatch.setattr(ImageSegmenter, "load", staticmethod(lambda path, *_: load_model(path)))
    (tmp_path / "model.safetensors").write_bytes(content())
    outcome = rvos("segment", make_clip(4), SEEN, "--out", "out", "--model", "model.safetensors")
    assert_refused(outcome, "model.safetensors", words)
    assert not (tmp_path / "out").exists()


def test_a_clip_that_breaks_in_the_middle(
    rvos: Rvos, frames: np.ndarray, tmp_path: Path, breaking_folder: Callable[[np.ndarray, int], Path]
) -> None:
    folder = breaking_folder(frames, 8)
    outcome = rvos("segment", folder, SEEN, "--out", "out", "--save", "masks,overlay")
    assert_refused(outcome, "008.png", "the 8 frames before are kept in out")
    assert len(list((tmp_path / "out/masks/0").iterdir())) == 8 and (tmp_path / "out/overlay.mp4").is_file()
