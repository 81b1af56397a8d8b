"""`rvos data check` on synthetic RefCOCO and gRefCOCO trees, whole and broken, and what RefCLEF and RefCOCOg add."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.data.table import open_dataset
from image_core.geometry.rle import encode_rle
from image_core.synthetic.layouts import write_grefcoco, write_refcoco

Rvos = Callable[..., Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    write_refcoco(root, {"val": 2, "testA": 1}, 0, (64, 64))
    write_grefcoco(root, {"val": 2}, 0, (64, 64))
    return root


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "tree"))


def change_rows(tree: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    path = tree / "refcoco/refs(unc).p"
    rows = pickle.loads(path.read_bytes())
    change(rows)
    path.write_bytes(pickle.dumps(rows))


def test_a_whole_tree_is_ready(rvos: Rvos, tree: Path) -> None:
    rows = pickle.loads((tree / "refcoco/refs(unc).p").read_bytes())
    mine = [row for row in rows if row["split"] == "val"]
    said = rvos("data", "check", "refcoco", "--root", tree)
    assert said.code == 0 and said.err == [] and said.out[-1] == "ready"
    expressions = sum(len(row["sentences"]) for row in mine)
    assert (
        said.out[2]
        == f"val: {len(mine)} references (published: 3811), {expressions} expressions (published: 10834), 2 pictures"
    )
    assert any(line.startswith("note: other counts than published in train, val, testA, testB") for line in said.out)
    found = json.loads(rvos("data", "check", "refcoco", "--root", tree, "--split", "testA", "--json").out[0])
    assert found["ready"] and found["pictures"] == 1 and found["splits"]["val"]["published_refs"] == 3811


def test_no_target_is_counted(rvos: Rvos, tree: Path) -> None:
    rows = json.loads((tree / "grefcoco/grefs(unc).json").read_text())
    found = json.loads(rvos("data", "check", "grefcoco", "--root", tree, "--json").out[0])
    assert found["ready"] and found["refs_without_target"] == sum(row["ann_id"] == [-1] for row in rows) > 0


def test_images_that_are_missing(rvos: Rvos, tree: Path) -> None:
    gone = tree / "images/train2014/COCO_train2014_000000000001.jpg"
    gone.unlink()
    said = rvos("data", "check", "refcoco", "--root", tree)
    assert said.code == 2 and f"pictures missing: 1: {gone}" in said.out and "ready" not in said.out
    assert (
        len(said.err) == 1 and "1 of 3 pictures missing" in said.err[0] and "put the dataset's pictures" in said.err[0]
    )
    assert rvos("data", "check", "refcoco", "--root", tree, "--split", "testA").code == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[0].update(ann_id=999), "no annotation 999"),
        (lambda rows: rows[0].update(image_id=999), "no image 999"),
        (lambda rows: rows[0].pop("sentences"), "reference 1 cannot be read"),
        (lambda rows: rows[0].update(sentences=[]), "reference 1 has no expression"),
        (lambda rows: rows[0].update(sentences=5), "reference 1 cannot be read"),
    ],
)
def test_references_that_cannot_be_used(rvos: Rvos, tree: Path, change: Callable[..., Any], words: str) -> None:
    change_rows(tree, change)
    said = rvos("data", "check", "refcoco", "--root", tree)
    assert said.code == 2 and len(said.err) == 1 and words in said.err[0] and "1 of " in said.err[0]


def test_images_and_polygons_that_are_broken(rvos: Rvos, tree: Path) -> None:
    broken = tree / "images/train2014/COCO_train2014_000000000002.jpg"
    broken.write_bytes(b"no picture")
    said = rvos("data", "check", "refcoco", "--root", tree)
    assert said.code == 2 and f"{broken}: not a picture that can be read" in said.err[0]
    whole = (broken.parent / "COCO_train2014_000000000001.jpg").read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    assert (
        f"{broken}: expected a whole picture, got one that ends in the middle"
        in rvos("data", "check", "refcoco", "--root", tree).err[0]
    )
    content = json.loads((tree / "refcoco/instances.json").read_text())
    for row in content["annotations"]:
        row["segmentation"] = [[1.0, 2.0, 3.0, 4.0]]
    (tree / "refcoco/instances.json").write_text(json.dumps(content))
    assert "a polygon of 4 numbers" in rvos("data", "check", "refcoco", "--root", tree).err[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["refcoc"], "did you mean 'refcoco'?"),
        (["refcoco", "--split-by", "umd"], "known are google, unc"),
        (["refcoco", "--split", "test_a"], "no split 'test_a'; it holds testA, val"),
        (["refcoco_plus"], "refcoco+: no such folder"),
        (
            ["refcoco", "--split-by", "google"],
            "refs(google).p: no such file: docs/datasets.md",
        ),
    ],
)
def test_invalid_arguments_are_refused_in_one_line(rvos: Rvos, whole: Path, arguments: list[str], words: str) -> None:
    said = rvos("data", "check", *arguments, "--root", whole)
    assert said.code == 2 and len(said.err) == 1 and words in said.err[0] and "ready" not in said.out


def test_a_root_that_is_one_folder_too_deep(rvos: Rvos, whole: Path) -> None:
    said = rvos("data", "check", "refcoco", "--root", whole / "refcoco")
    assert said.code == 2 and said.err[0].endswith("give the one above")


def test_a_missing_dataset_is_answered_with_the_layout(rvos: Rvos, tmp_path: Path) -> None:
    said = rvos("data", "check", "refcoco", "--root", tmp_path / "nowhere")
    assert said.code == 2 and any("ROOT/<dataset>/refs(<split_by>).p" in line for line in said.out)
    assert any("grefs(<split_by>).json" in line for line in rvos("data", "check", "grefcoco", "--root", tmp_path).out)


def write_refclef(root: Path) -> None:
    """Three pictures; masks are lists of run lengths, a field has several splits; the COCO folder is not its own."""
    parts = [np.zeros((8, 10), bool), np.zeros((8, 10), bool)]
    parts[0][1:3, 1:3] = parts[1][5:7, 5:9] = True
    (root / "images/saiapr_tc-12").mkdir(parents=True)
    (root / "images/mscoco/images/train2014").mkdir(parents=True)
    (root / "refclef").mkdir()
    rows = []
    for i, split in enumerate(("testAB", "testB,testC", "val"), 1):
        cv2.imwrite(str(root / f"images/saiapr_tc-12/{i}.jpg"), np.zeros((8, 10, 3), np.uint8))
        said = [{"sent_id": i, "raw": "dog", "sent": "dog", "tokens": ["dog"]}]
        ids = {"ref_id": i, "ann_id": i, "image_id": i, "category_id": 1, "split": split, "sent_ids": [i]}
        rows.append({**ids, "file_name": f"{i}_{i}.jpg", "sentences": said})
    annotations = [{"id": i, "image_id": i, "segmentation": [encode_rle(part) for part in parts]} for i in (1, 2, 3)]
    images = [{"id": i, "file_name": f"{i}.jpg", "height": 8, "width": 10} for i in (1, 2, 3)]
    (root / "refclef/instances.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    for author in ("berkeley", "unc"):
        (root / f"refclef/refs({author}).p").write_bytes(pickle.dumps(rows, protocol=0))


def test_refclef(rvos: Rvos, tmp_path: Path) -> None:
    write_refclef(tmp_path)
    ids = {
        split: [open_dataset("refclef", tmp_path, split, split_by="unc").sample_id(i) for i in range(count)]
        for split, count in (("testA", 1), ("testB", 2), ("testC", 1), ("test", 2), ("testAB", 1), ("val", 1))
    }
    assert ids == {
        "testA": ["1"],
        "testB": ["1", "2"],
        "testC": ["2"],
        "test": ["1", "2"],
        "testAB": ["1"],
        "val": ["3"],
    }
    sample = open_dataset("refclef", tmp_path, "testA")[0]
    assert sample.masks.sum() == 4 + 8
    assert open_dataset("refclef", tmp_path, "testA").polygons(0) == (0,)
    listed = json.loads(rvos("data", "check", "refclef", "--root", tmp_path, "--split-by", "unc", "--json").out[0])
    assert {name: count["pictures"] for name, count in listed["splits"].items()} == {
        name: len(pictures) for name, pictures in ids.items()
    }
    for name in ("referit", "refclef"):
        said = rvos("data", "check", name, "--root", tmp_path, "--split-by", "unc")
        assert said.code == 0 and any("images/saiapr_tc-12" in line for line in said.out)


def test_the_two_splits_of_refcocog(rvos: Rvos, tree: Path) -> None:
    shutil.copytree(tree / "refcoco", tree / "refcocog")
    (tree / "refcocog/refs(unc).p").rename(tree / "refcocog/refs(google).p")
    assert rvos("data", "check", "refcocog", "--root", tree).code == 2  # umd, which papers report
    said = rvos("data", "check", "refcocog", "--root", tree, "--split-by", "google")
    assert said.code == 0 and any("(published: 5000)" in line for line in said.out)
