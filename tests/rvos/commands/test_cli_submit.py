"""`rvos submit`: what the servers take is packed, everything else is named."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

Rvos = Callable[..., Any]
SIZES = {"a": (24, 32), "b": (30, 40)}
NAMES = ("00000", "00005")


def write_masks(folder: Path) -> None:
    """<video>/0/<frame>.png for every frame."""
    for video_id, size in SIZES.items():
        (folder / video_id / "0").mkdir(parents=True)
        for name in NAMES:
            cv2.imwrite(str(folder / video_id / "0" / f"{name}.png"), np.eye(*size, dtype=np.uint8) * 255)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The metadata and the pictures of Ref-YouTube-VOS's valid split, which has no truth."""
    folder = tmp_path / "root"
    for video_id, size in SIZES.items():
        (folder / "valid/JPEGImages" / video_id).mkdir(parents=True)
        for name in NAMES:
            cv2.imwrite(str(folder / "valid/JPEGImages" / video_id / f"{name}.jpg"), np.zeros((*size, 3), np.uint8))
    videos = {v: {"expressions": {"0": {"exp": "it"}}, "frames": list(NAMES)} for v in SIZES}
    index = folder / "meta_expressions/valid/meta_expressions.json"
    index.parent.mkdir(parents=True)
    index.write_text(json.dumps({"videos": videos}))
    return folder


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    write_masks(tmp_path / "predictions" / "Annotations")
    return tmp_path / "predictions"


@pytest.fixture
def submit(rvos: Rvos, root: Path, predictions: Path, tmp_path: Path) -> Callable[..., Any]:
    return lambda out="out.zip", *more: rvos(
        *("submit", "ref-youtube-vos", "--root", root, "--predictions", predictions, "--out", tmp_path / out, *more)
    )


def test_the_zip_has_the_layout_of_the_server(submit: Callable[..., Any], tmp_path: Path) -> None:
    outcome = submit()
    assert outcome.code == 0 and outcome.out == [f"submission: {tmp_path / 'out.zip'}", "files: 4"]
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        names = archive.namelist()
        assert names == [f"Annotations/{v}/0/{n}.png" for v in ("a", "b") for n in NAMES]
        data = archive.read("Annotations/b/0/00005.png")
    mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert mask is not None and mask.shape == (30, 40) and set(mask.flat) == {0, 255}


def test_the_same_masks_give_the_same_bytes(submit: Callable[..., Any], predictions: Path, tmp_path: Path) -> None:
    submit("one.zip")
    for path in predictions.rglob("*.png"):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
        path.chmod(0o600)
    found = json.loads(submit("two.zip", "--json").out[0])
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    size = (tmp_path / "two.zip").stat().st_size
    assert (found["videos"], found["expressions"], found["files"], found["bytes"]) == (2, 2, 4, size)


def test_mevis_has_its_videos_at_the_root(rvos: Rvos, tmp_path: Path) -> None:
    for video_id, size in SIZES.items():
        (tmp_path / "valid/JPEGImages" / video_id).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "valid/JPEGImages" / video_id / "00000.jpg"), np.zeros((*size, 3), np.uint8))
    videos = {v: {"expressions": {"0": {"exp": "it"}}, "frames": list(NAMES)} for v in SIZES}
    (tmp_path / "valid/meta_expressions.json").write_text(json.dumps({"videos": videos}))
    write_masks(tmp_path / "masks")
    command = ("submit", "mevis", "--root", tmp_path, "--predictions", tmp_path / "masks")
    found = json.loads(rvos(*command, "--out", tmp_path / "m.zip", "--json").out[0])
    assert found["split"] == "valid"
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        assert archive.namelist() == [f"{v}/0/{n}.png" for v in ("a", "b") for n in NAMES]


def other_size(path: Path) -> None:
    cv2.imwrite(str(path), np.zeros((10, 12), np.uint8))


def indexed(path: Path) -> None:
    picture = Image.fromarray(np.zeros(SIZES["a"], np.uint8))
    picture.putpalette([0] * 768)
    picture.save(path)


def linked(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("00005.png"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (Path.unlink, "Annotations/a/0/00000.png is missing"),
        (lambda path: path.with_name("00001.png").touch(), "Annotations/a/0/00001.png is superfluous"),
        (lambda path: path.parents[3].joinpath("settings").touch(), "settings is superfluous"),
        (other_size, "00000.png is 10 x 12 px (height x width), its video 24 x 32"),
        (indexed, "00000.png is 8-bit indexed colour, not 8-bit grey"),
        (lambda path: cv2.imwrite(str(path), np.zeros((24, 32, 3), np.uint8)), "00000.png is 8-bit RGB, not"),
        (lambda path: cv2.imwrite(str(path), np.zeros((24, 32), np.uint16)), "00000.png is 16-bit grey, not"),
        (lambda path: cv2.imwrite(str(path), np.eye(24, 32, dtype=np.uint8)), "00000.png has the value 1, not 0 or"),
        (lambda path: path.write_bytes(path.read_bytes()[:60]), "00000.png is not a readable PNG"),
        (linked, "Annotations/a/0/00000.png is a link"),
        (lambda path: path.parents[1].joinpath("1").symlink_to(path.parent), "Annotations/a/1 is a link"),
    ],
)
def test_all_errors_are_named_and_no_zip_is_written(
    submit: Callable[..., Any], predictions: Path, tmp_path: Path, spoil: Callable[[Path], Any], words: str
) -> None:
    spoil(predictions / "Annotations/a/0/00000.png")
    before = sorted(tmp_path.iterdir())
    outcome = submit()
    assert outcome.code == 2 and outcome.out == [] and len(outcome.err) == 1 and words in outcome.err[0]
    assert sorted(tmp_path.iterdir()) == before


def test_only_twenty_errors_are_listed(submit: Callable[..., Any], predictions: Path) -> None:
    for number in range(30):
        (predictions / f"{number:02d}.txt").touch()
    (said,) = submit().err
    assert "superfluous (30)" in said and said.count(".txt is superfluous") == 20 and "; and 10 more" in said


def test_a_tree_one_folder_too_deep(rvos: Rvos, root: Path, predictions: Path, tmp_path: Path) -> None:
    command = ("submit", "ref-youtube-vos", "--root", root, "--out", tmp_path / "o.zip")
    outcome = rvos(*command, "--predictions", predictions / "Annotations")
    assert (
        outcome.code == 2
        and "expected the 4 files" in outcome.err[0]
        and outcome.err[0].endswith("got none: check the path")
        and "8-bit grey" in outcome.err[0]
    )
    assert "Annotations/<video>/<expression>/<frame>.png" in outcome.err[0]


def test_metadata_whose_names_leave_the_folder(submit: Callable[..., Any], root: Path) -> None:
    index = root / "meta_expressions/valid/meta_expressions.json"
    index.write_text(index.read_text().replace('"a"', '"../a"'))
    outcome = submit()
    assert outcome.code == 2 and len(outcome.err) == 1 and "got '../a'" in outcome.err[0]


@pytest.mark.parametrize(
    ("dataset", "out", "words"),
    [
        ("a2d-sentences", "o.zip", "expected a dataset with a server (mevis, ref-youtube-vos)"),
        ("ref-youtube-vos", "o.tar", "expected a file that ends in .zip"),
        ("ref-youtube-vos", "predictions/o.zip", "expected a path outside the predictions"),
    ],
)
def test_what_cannot_be_submitted(
    rvos: Rvos, root: Path, predictions: Path, tmp_path: Path, dataset: str, out: str, words: str
) -> None:
    outcome = rvos("submit", dataset, "--root", root, "--predictions", predictions, "--out", tmp_path / out)
    assert outcome.code == 2 and len(outcome.err) == 1 and words in outcome.err[0]
