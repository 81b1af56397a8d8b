"""What `rvos data check` finds by opening everything, and what evaluation makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.rvos.commands.test_cli_data_check import write_tree

Rvos = Callable[..., Any]
FRAME, TRUTH = "valid/JPEGImages/a/00005.jpg", "valid/Annotations/a/00005.png"


def cut_off(root: Path) -> None:
    path = root / FRAME
    path.write_bytes(path.read_bytes()[:-30])


def other_size(root: Path) -> None:
    cv2.imwrite(str(root / FRAME), np.zeros((25, 32, 3), np.uint8))


def other_truth_size(root: Path) -> None:
    cv2.imwrite(str(root / TRUTH), np.eye(32, 24, dtype=np.uint8))


def broken_truth(root: Path) -> None:
    (root / TRUTH).write_bytes((root / TRUTH).read_bytes()[:60])


def no_object(root: Path) -> None:
    for path in (root / "valid/Annotations/a").iterdir():
        cv2.imwrite(str(path), np.eye(24, 32, dtype=np.uint8) * 255)


def meta(change: Callable[[str], str]) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        index = root / "meta_expressions/valid/meta_expressions.json"
        index.write_text(change(index.read_text()))

    return write


FAULTS = {
    "a frame that is cut off": (cut_off, "00005.jpg: not a picture that can be read"),
    "a frame of another size": (other_size, "00005.jpg: expected 24 x 32 px"),
    "truth of another size": (other_truth_size, "frame 00005: expected the size of the frames, 24 x 32 px"),
    "broken truth": (broken_truth, "00005.png: expected a whole picture"),
    "an object on no frame": (no_object, "a/0: expected object 1 on some frame of the truth, got it on none"),
    "a frame twice": (meta(lambda t: t.replace('"00005"', '"00000"', 1)), "expected a frame only once, got '00000'"),
    "a key twice": (meta(lambda t: t.replace('"1": {"exp"', '"0": {"exp"')), "expected each key once in an object"),
    "half a character": (meta(lambda t: t.replace("thing 0", "thing \\ud83d")), "holds half a character"),
    "no words": (meta(lambda t: t.replace("thing 0", "  ")), "a/0: the expression is blank"),
    "no JSON": (meta(lambda t: "[" * 100_000), "expected JSON"),
}


@pytest.mark.parametrize(("spoil", "words"), FAULTS.values(), ids=FAULTS)
def test_an_incomplete_dataset_is_not_ready(
    rvos: Rvos, tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    write_tree(tmp_path)
    spoil(tmp_path)
    outcome = rvos("data", "check", "ref-youtube-vos", "--root", tmp_path)
    assert outcome.code == 2 and len(outcome.err) == 1 and words in outcome.err[0] and "ready" not in outcome.out


def test_a_mark_of_utf_8_and_hidden_files_are_no_fault(rvos: Rvos, tmp_path: Path) -> None:
    index = write_tree(tmp_path)
    index.write_bytes(b"\xef\xbb\xbf" + index.read_bytes())
    for name in ("._00000.jpg", ".DS_Store"):
        (tmp_path / "valid/JPEGImages/a" / name).write_bytes(b"\0")
    outcome = rvos("data", "check", "ref-youtube-vos", "--root", tmp_path)
    assert outcome.code == 0 and outcome.out[-1] == "ready" and not any("left alone" in line for line in outcome.out)


@pytest.mark.parametrize("orientation", [3, 6])
def test_frames_of_datasets_are_read_as_stored(rvos: Rvos, tmp_path: Path, orientation: int) -> None:
    write_tree(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for path in (tmp_path / "valid/JPEGImages").rglob("*.jpg"):
        image = np.full(cv2.imread(str(path)).shape, 90, np.uint8)  # type: ignore[union-attr]
        image[:6, :9] = (230, 20, 20)
        Image.fromarray(image).save(path, exif=exif, quality=95)
        truth = np.zeros(image.shape[:2], np.uint8)
        truth[:6, :9] = 1
        cv2.imwrite(str(path).replace("JPEGImages", "Annotations").replace(".jpg", ".png"), truth)
    index = tmp_path / "meta_expressions/valid/meta_expressions.json"
    index.write_text(index.read_text().replace("thing 0", "the red thing").replace("thing 1", "red"))
    assert rvos("data", "check", "ref-youtube-vos", "--root", tmp_path).out[-1] == "ready"
    outcome = rvos(
        *("evaluate", "ref-youtube-vos", "--root", tmp_path, "--out", "out", "--quiet", "--workers", "1"),
        *("--device", "cpu", "--tracker", "none"),
    )
    figures = json.loads((tmp_path / "out/metrics.json").read_text())
    assert outcome.code == 0 and figures["failures"] == [] and figures["J"] > 0.6


def test_an_invalid_expression_is_one_failure(rvos: Rvos, tmp_path: Path) -> None:
    write_tree(tmp_path)
    meta(lambda t: t.replace("thing 0", "red \\ud83d", 1))(tmp_path)
    outcome = rvos(
        *("evaluate", "ref-youtube-vos", "--root", tmp_path, "--out", "out", "--quiet", "--workers", "1"),
        *("--device", "cpu", "--tracker", "none"),
    )
    figures = json.loads((tmp_path / "out/metrics.json").read_text())
    assert outcome.code == 0 and [f["expression"] for f in figures["failures"]] == ["0"] and figures["expressions"] == 3
    rows = [json.loads(line) for line in (tmp_path / "out/expressions.jsonl").read_text().splitlines()]
    assert rows[0]["sentence"] == "red \ud83d"
    assert "half a character" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_replaced_images_are_predicted_again(rvos: Rvos, tmp_path: Path) -> None:
    write_tree(tmp_path)
    command = (
        *("evaluate", "ref-youtube-vos", "--root", tmp_path, "--out", "out", "--quiet", "--workers", "1"),
        *("--device", "cpu", "--tracker", "none"),
    )
    assert rvos(*command).code == 0
    mask = tmp_path / "out/predictions/Annotations/a/0/00005.png"
    first = mask.stat().st_mtime_ns
    assert rvos(*command).code == 0 and mask.stat().st_mtime_ns == first
    cv2.imwrite(str(tmp_path / FRAME), np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8))
    assert rvos(*command).code == 0 and mask.stat().st_mtime_ns != first
