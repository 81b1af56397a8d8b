"""`rvos data check` on small trees in the layout of Ref-YouTube-VOS, whole and broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

Rvos = Callable[..., Any]
NAMES = ("00000", "00005", "00010")


def write_tree(root: Path, split: str = "valid") -> Path:
    """Two videos of three frames, 24 x 32 and 30 x 40 px, with two expressions and one, and their truth."""
    meta: dict[str, Any] = {}
    for number, video_id in enumerate(("a", "b")):
        pictures, truth = (root / split / kind / video_id for kind in ("JPEGImages", "Annotations"))
        pictures.mkdir(parents=True)
        truth.mkdir(parents=True)
        size = (24 + 6 * number, 32 + 8 * number)
        for name in NAMES:
            cv2.imwrite(str(pictures / f"{name}.jpg"), np.full((*size, 3), 90, np.uint8))
            cv2.imwrite(str(truth / f"{name}.png"), np.eye(*size, dtype=np.uint8))
        said = {str(i): {"exp": f"thing {i}", "obj_id": "1"} for i in range(2 - number)}
        meta[video_id] = {"expressions": said, "frames": list(NAMES)}
    index = root / "meta_expressions" / split / "meta_expressions.json"
    index.parent.mkdir(parents=True)
    index.write_text(json.dumps({"videos": meta}))
    return index


@pytest.fixture
def check(rvos: Rvos, tmp_path: Path) -> Callable[..., Any]:
    write_tree(tmp_path)
    return lambda *more: rvos("data", "check", "ref-youtube-vos", "--root", tmp_path, *more)


def test_a_complete_dataset_is_ready(check: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "valid/JPEGImages/a/00001.jpg").write_bytes(b"a frame that is not listed")
    outcome = check()
    assert outcome.code == 0 and outcome.err == []
    assert outcome.out == [
        f"ref_youtube_vos, split valid, in {tmp_path}",
        "metadata: 2 videos, 3 expressions, 6 frames",
        "first frames (height x width): 1 of 24 x 32 px, 1 of 30 x 40 px",
        f"images that are not in the metadata, ignored: 1: {tmp_path / 'valid/JPEGImages/a/00001.jpg'}",
        "truth: 6 of 6 files",
        "ready",
    ]
    found = json.loads(check("--json").out[0])
    assert found["ready"] and found["to_do"] is None and found["unlisted_pictures"]["count"] == 1
    assert found["sizes"] == {"24x32": 1, "30x40": 1} and found["truth_files"] == 6


@pytest.mark.parametrize(
    ("gone", "what", "words"),
    [
        ("valid/JPEGImages/b", "missing_sources", "folders or video files missing: 1: "),
        ("valid/JPEGImages/a/00005.jpg", "missing_pictures", "images missing: 1: "),
        ("valid/Annotations/b/00010.png", "missing_truth", "truth files missing: 1: "),
    ],
)
def test_what_is_missing_is_named(check: Callable[..., Any], tmp_path: Path, gone: str, what: str, words: str) -> None:
    path = tmp_path / gone
    for file in sorted(path.iterdir()) if path.is_dir() else (path,):
        file.unlink()
    if path.is_dir():
        path.rmdir()
    outcome = check()
    assert outcome.code == 2 and f"{words}{path}" in outcome.out and "ready" not in outcome.out
    assert len(outcome.err) == 1 and outcome.err[0].startswith("rvos: not ready: ") and str(path) in outcome.err[0]
    found = json.loads(check("--json").out[0])
    assert not found["ready"] and found[what] == {"count": 1, "first": [str(path)]}


def test_only_five_missing_files_are_named(check: Callable[..., Any], tmp_path: Path) -> None:
    for path in [*tmp_path.glob("valid/Annotations/*/*.png")]:
        path.unlink()
    outcome = check()
    (line,) = [line for line in outcome.out if line.startswith("truth files missing")]
    assert line.startswith("truth files missing: 6: ") and line.count(".png") == 5 and line.endswith(", and 1 more")
    assert "truth: 0 of 6 files" in outcome.out


def test_a_first_frame_that_cannot_be_read(check: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "valid/JPEGImages/b/00000.jpg").write_bytes(b"no picture")
    outcome = check()
    assert outcome.code == 2 and "1 frames cannot be used" in outcome.err[0] and "b/00000.jpg" in outcome.err[0]
    assert "first frames (height x width): 1 of 24 x 32 px" in outcome.out


def test_a_split_without_truth(rvos: Rvos, tmp_path: Path) -> None:
    write_tree(tmp_path, "test")
    for path in sorted((tmp_path / "test/Annotations").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (tmp_path / "test/Annotations").rmdir()
    outcome = rvos("data", "check", "ref_youtube_vos", "--root", tmp_path, "--split", "test")
    assert outcome.code == 0 and outcome.err == [] and outcome.out[-1] == "ready to predict, not to score"
    assert "truth: none, so nothing can be scored" in outcome.out[-2]


def test_metadata_that_is_ambiguous(check: Callable[..., Any], tmp_path: Path) -> None:
    index = tmp_path / "meta_expressions/valid/meta_expressions.json"
    index.write_text(index.read_text().replace("obj_id", "note"))
    outcome = check()
    assert outcome.code == 2 and "no obj_id" in outcome.err[0]


def test_missing_metadata_prints_the_layout(rvos: Rvos, tmp_path: Path) -> None:
    outcome = rvos("data", "check", "ref-youtube-vos", "--root", tmp_path / "nowhere")
    assert outcome.code == 2 and len(outcome.err) == 1 and "meta_expressions.json: no such file" in outcome.err[0]
    assert any(line.startswith("ROOT/<split>/JPEGImages/<video>/<frame>.jpg") for line in outcome.out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ref-youtube-vo"], "did you mean 'ref-youtube-vos'?"),
        (["ref-youtube-vos", "--split-by", "umd"], "--split-by: ref-youtube-vos has one set of splits, got 'umd'"),
        (["ref-youtube-vos", "--split", "val"], "did you mean 'valid'?"),
    ],
)
def test_unknown_names(rvos: Rvos, tmp_path: Path, arguments: list[str], words: str) -> None:
    outcome = rvos("data", "check", *arguments, "--root", tmp_path)
    assert outcome.code == 2 and outcome.out == [] and len(outcome.err) == 1 and words in outcome.err[0]
