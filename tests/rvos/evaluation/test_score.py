"""`rvos score`: masks that anybody made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from rvos.evaluation.masks import score_folders

SCORE = ("score", "ref-youtube-vos", "--quiet", "--workers", "1")


@pytest.fixture
def score(rvos: Callable, dataset: Path, tmp_path: Path) -> Callable[[Path], dict[str, Any]]:
    def run(predictions: Path) -> dict[str, Any]:
        out = tmp_path / "figures.json"
        assert rvos(*SCORE, "--root", dataset, "--predictions", predictions, "--out", out).code == 0
        return json.loads(out.read_text())

    return run


def test_a_perfect_prediction_scores_one(score: Callable, truth_tree: Callable) -> None:
    found = score(truth_tree())
    assert found["J&F"] == found["J"] == found["F"] == 1.0 and found["stability"] == 0.0
    assert found["N-acc_frames"] == found["T-acc_frames"] == 1.0 and found["expressions"] == 6


def test_what_is_missing_or_broken_is_named(score: Callable, truth_tree: Callable) -> None:
    tree = truth_tree() / "Annotations"
    (tree / "a/0/00005.png").unlink()
    (tree / "a/1/00000.png").write_bytes(b"no picture")
    cv2.imwrite(str(tree / "b/0/00010.png"), np.zeros((24, 40), np.uint8))
    for path in (tree / "c/1").iterdir():
        path.unlink()
    (tree / "c/1").rmdir()
    found = score(tree.parent)
    assert found["missing"] == ["a/0/00005", "c/1"]
    told = {(row["video"], row["expression"]): row["error"] for row in found["failures"]}
    assert sorted(told) == [("a", "1"), ("b", "0")]
    assert told["a", "1"].endswith("a/1/00000.png: not a PNG that can be read: write or fetch it again")
    assert told["b", "0"].endswith("b/0, frame 00010: expected a mask of (48, 80), got (24, 40): resize it")
    # One frame of four is empty where it should not be, three expressions count 0, two are perfect.
    assert found["J"] == pytest.approx((0.75 + 2) / 6)


def test_names_that_count_frames_otherwise_are_reported(
    rvos: Callable, dataset: Path, truth_tree: Callable, tmp_path: Path
) -> None:
    tree = truth_tree()
    names = sorted(path.name for path in (tree / "Annotations/a/0").iterdir())
    assert names == ["00000.png", "00005.png", "00010.png", "00015.png"]
    for position, name in enumerate(names):  # by position: one of them hits a frame
        (tree / "Annotations/a/0" / name).rename(tree / f"Annotations/a/0/{position:05d}.png")
    (tree / "Annotations/b/0/00005.png").unlink()
    (tree / "Annotations/b/1/00099.png").write_bytes(b"")  # missing or superfluous alone
    said = rvos(*SCORE[:2], "--workers", "1", "--root", dataset, "--predictions", tree, "--out", tmp_path / "f.json")
    (told,) = json.loads((tmp_path / "f.json").read_text())["misnamed"]
    assert "misnamed: 1" in said.out and told in said.err
    assert told.startswith(f"{tree}/Annotations/a/0: expected 4 masks with the names of frames, got 3 with other")
    assert "such as 00001.png, while 3 are missing, such as 00005.png" in told


def test_a_folder_without_any_prediction_is_refused(rvos: Callable, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = rvos(*SCORE, "--root", dataset, "--predictions", tmp_path / "empty", "--out", tmp_path / "figures.json")
    assert (
        said.code == 2
        and len(said.err) == 1
        and "expected predictions of ref_youtube_vos, split 'valid', got none at Annotations/<video>/<exp"
        in said.err[0]
    )


def square(path: Path, left: int, value: int, palette: bool, void: bool = False) -> None:
    """A 4 x 4 square of `value`; void: 255 in the last row."""
    ids = np.zeros((16, 16), np.uint8)
    ids[4:8, left : left + 4] = value
    if void:
        ids[15] = 255
    picture = Image.fromarray(ids)
    if palette:
        picture.putpalette(bytes(range(256)) * 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def test_masks_by_hand(rvos: Callable, tmp_path: Path) -> None:
    truth, predictions, out = tmp_path / "truth", tmp_path / "predictions", tmp_path / "figures.json"
    for t in range(2):
        square(truth / f"grey/{t}.png", 4, 255, palette=False)
        square(truth / f"ids/{t}.png", 4, 2, palette=True, void=True)
    square(predictions / "grey/0.png", 6, 1, palette=False)  # any value above 0; half of it on the object: J = 8 / 24
    for t in range(2):
        square(predictions / f"ids/{t}.png", 4, 2, palette=True)
    said = rvos("score", "masks", truth, predictions, "--out", out, "--workers", "1", "--quiet")
    found = json.loads(out.read_text())
    assert said.code == 0 and found["missing"] == ["grey/1"] and found["failures"] == []
    assert found["sequences"]["grey"]["J"] == pytest.approx((8 / 24 + 0) / 2)
    assert found["sequences"]["ids"]["J&F"] == 1.0 and found["objects"] == 2
    assert found["J"] == pytest.approx((1 / 6 + 1) / 2)


def test_masks_by_other_ids_or_sizes(rvos: Callable, tmp_path: Path) -> None:
    truth, predictions, out = tmp_path / "truth", tmp_path / "predictions", tmp_path / "figures.json"
    square(truth / "a/0.png", 4, 2, palette=True)
    square(predictions / "a/0.png", 4, 3, palette=True)
    square(truth / "b/0.png", 4, 2, palette=True)
    square(truth / "c/0.png", 4, 2, palette=True)
    square(predictions / "c/0.png", 4, 2, palette=True)
    (predictions / "b").mkdir()
    cv2.imwrite(str(predictions / "b/0.png"), np.zeros((8, 8), np.uint8))
    assert rvos("score", "masks", truth, predictions, "--out", out, "--workers", "1", "--quiet").code == 0
    found = json.loads(out.read_text())
    assert [found["sequences"][name]["J"] for name in "abc"] == [0.0, 0.0, 1.0]
    ids, size = found["failures"]
    assert ids["sequence"] == "a" and ids["error"].endswith(
        "expected ids of the truth (2), got 3: save the same ids in both"
    )
    assert size["sequence"] == "b" and size["error"].startswith("b/0: prediction: expected (16, 16)")


def test_masks_of_another_format_are_not_to_be_renamed(tmp_path: Path) -> None:
    for name in ("truth/v/00000.png", "truth/v/00001.png", "jpeg/v/00000.png"):
        square(tmp_path / name, 4, 1, palette=True)
    cv2.imwrite(str(tmp_path / "jpeg/v/00001.jpg"), np.zeros((8, 8), np.uint8))
    (told,) = score_folders(tmp_path / "truth", tmp_path / "jpeg", workers=1)["misnamed"]
    assert told.endswith("missing, such as 00001.png: write the masks anew as PNG files")


def test_a_sequence_whose_masks_count_from_one_is_reported(tmp_path: Path) -> None:
    for index in range(3):
        square(tmp_path / f"truth/v/{index:05d}.png", 4, 1, palette=True)
        square(tmp_path / f"from_1/v/{index + 1:05d}.png", 4, 1, palette=True)
    found = score_folders(tmp_path / "truth", tmp_path / "from_1", workers=1)
    assert found["missing"] == ["v/00000"]
    (told,) = found["misnamed"]
    assert "got 1 with other names, such as 00003.png, while 1 are missing, such as 00000.png" in told
    assert score_folders(tmp_path / "truth", tmp_path / "truth", workers=1)["misnamed"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("masks", "truth"), "score masks: expected two folders, got 1: rvos score masks TRUTH PREDICTIONS"),
        (("masks", "nowhere", "truth"), "nowhere: expected a folder of <sequence>/<frame>.png, got none"),
        (("masks", "truth", "truth"), "truth: expected <sequence>/<frame>.png, got none"),
        (("mevis", "truth"), "score mevis: expected --root DIR --predictions DIR, got 'truth'"),
        (("davis", "--root", "truth"), "unknown dataset 'davis': did you mean 'ref-davis17'?"),
        (("mevis", "--root", "truth"), "meta_expressions.json: no such file"),
    ],
)
def test_bad_input_is_one_line(rvos: Callable, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "truth").mkdir()
    said = rvos("score", *arguments, "--out", tmp_path / "figures.json", "--quiet")
    assert said.code == 2 and len(said.err) == 1 and message in said.err[0]


def test_a_file_of_others_is_not_replaced(rvos: Callable, tmp_path: Path) -> None:
    truth, out = tmp_path / "truth", tmp_path / "expressions.json"
    (truth / "a").mkdir(parents=True)
    Image.fromarray(np.ones((4, 4), np.uint8)).save(truth / "a/00000.png")
    score = ("score", "masks", truth, truth, "--out", out, "--workers", "1", "--quiet")
    for content in ('{"videos": {}}', "[1]", "no JSON"):
        out.write_text(content)
        said = rvos(*score)
        assert said.code == 2 and "expected a new file or figures of rvos score, got another file" in said.err[0]
        assert out.read_text() == content
    out.write_text("")
    assert rvos(*score).code == 0 and rvos(*score).code == 0 and "failures" in json.loads(out.read_text())
