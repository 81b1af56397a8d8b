"""PhraseCut in its public layout, on a small tree written by hand, and the ways such a tree can be broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.data.check import check_images
from image_core.data.table import open_dataset
from image_core.errors import DataError
from image_core.evaluation.images import ReferringImageSet

HEIGHT, WIDTH = 30, 40
SQUARE = [[2.9, 3.2], [10.7, 3.0], [10.1, 11.9], [2.0, 11.0]]
CORNER = [[30, 20], [35, 20], [35, 25]]


def task(image_id: int, phrase: str, *instances: list, kind: str = "name") -> dict[str, Any]:
    return {
        "task_id": f"{image_id}__{len(phrase)}",
        "image_id": image_id,
        "ann_ids": [7],
        "instance_boxes": [[0, 0, 1, 1]] * len(instances),
        "Polygons": list(instances),
        "phrase": phrase,
        "phrase_structure": {"name": phrase.split()[-1], "attributes": [], "type": kind},
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "VGPhraseCut_v0"
    (folder / "images").mkdir(parents=True)
    sizes = [{"image_id": i, "height": HEIGHT, "width": WIDTH, "split": "test", "url": ""} for i in (1, 2, 3)]
    (folder / "image_data_split3000.json").write_text(json.dumps(sizes))
    tests = [
        task(1, "two things", [SQUARE], [CORNER, [[0, 0]]]),
        task(1, "white square", [SQUARE], kind="attribute"),
        task(2, "line", [[[5, 5], [5, 9]]]),
    ]
    (folder / "refer_test.json").write_text(json.dumps(tests))
    (folder / "refer_val.json").write_text(json.dumps([task(3, "val", [SQUARE])]))
    (folder / "refer_miniv.json").write_text(json.dumps([task(2, "miniv", [SQUARE])]))
    for i in (1, 2, 3):
        cv2.imwrite(str(folder / "images" / f"{i}.jpg"), np.full((HEIGHT, WIDTH, 3), 40 * i, np.uint8))
    return tmp_path


def test_a_phrase_means_all_its_instances(tree: Path) -> None:
    data = open_dataset("phrasecut", tree, "test")
    assert len(data) == 2
    both = data[0]
    assert both.expressions == ("two things", "white square") and both.families == ("name", "attribute")
    assert both.expression_ids == ("1__10_0", "1__12_0") and both.image.shape == (HEIGHT, WIDTH, 3)
    square, corner = np.zeros((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool)
    square[3:12, 2:11] = True  # corners cut off to 2, 3, 10, 11, the outline inside
    for row in range(20, 26):
        corner[row, 10 + row : 36] = True
    assert np.array_equal(both.masks[1], square)
    assert np.array_equal(both.masks[0], square | corner)
    line = data[1].masks[0]
    assert line.sum() == 5 and line[5:10, 5].all()
    assert data.polygons(0) == (2, 1)


def test_a_polygon_of_one_point_is_reported(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_dataset("phrasecut", tree, "val")
    assert not caplog.records
    open_dataset("phrasecut", tree, "test")
    told = "left out of the truth, as published readers do: 1 of the polygons of task 1__10, of one point"
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [told]
    assert f"note: {told}" in check_images("phrasecut", tree).notes


def test_two_files_of_sizes_that_differ_are_reported(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tree / "VGPhraseCut_v0"
    sizes = json.loads((folder / "image_data_split3000.json").read_text())
    (folder / "image_data_split.json").write_text(json.dumps(sizes[:2]))
    open_dataset("phrasecut", tree, "val")
    assert not caplog.records
    (folder / "image_data_split.json").write_text(json.dumps([sizes[0], sizes[1] | {"width": 7}]))
    assert open_dataset("phrasecut", tree, "val")[0].image.shape[:2] == (HEIGHT, WIDTH)
    (told,) = caplog.records
    assert told.getMessage() == (
        f"{folder / 'image_data_split3000.json'} is read; image_data_split.json beside it has other sizes (picture 2, "
        "1 in all): remove the one that is not meant"
    )


def test_splits_and_the_two_that_are_one(tree: Path) -> None:
    said = {split: open_dataset("phrasecut", tree, split).expressions(0) for split in ("val", "miniv")}
    assert said == {"val": ("val",), "miniv": ("miniv",)}
    assert len(open_dataset("phrasecut", tree, "val_miniv")) == 2
    assert ReferringImageSet("phrasecut", tree).settings["split"] == "test"
    assert ReferringImageSet("phrasecut", tree).protocols == ()
    with pytest.raises(DataError, match=r"refer_train\.json: no such file"):
        open_dataset("phrasecut", tree, "train")


def test_the_check_counts_and_finds_what_is_missing(tree: Path) -> None:
    found = check_images("phrasecut", tree)
    assert found.to_do is None and found.refs == 5 and found.without_target == 0
    assert {name: count.refs for name, count in found.splits.items() if count.refs} == {
        "test": 3,
        "val": 1,
        "miniv": 1,
        "val_miniv": 2,
    }
    assert found.splits["test"].published_refs == 14354
    (tree / "VGPhraseCut_v0" / "images" / "2.jpg").unlink()
    assert "1 of 3 pictures missing" in str(check_images("phrasecut", tree).to_do)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("phrase"), r"reference 1__10: expected the dataset's fields, got KeyError\('phrase'\)"),
        (lambda t: t.update(Polygons=[[[[1, 1]]]]), "no polygons, so that nothing is meant"),
        (lambda t: t.update(image_id=9), "no image 9, which task 1__10 names"),
        (lambda t: t.update(Polygons=[[[1, 2], [3, 4]]]), "reference 1__10: expected the dataset's fields"),
    ],
)
def test_broken_tasks_are_reported(tree: Path, change: Callable[[dict], Any], message: str) -> None:
    path = tree / "VGPhraseCut_v0" / "refer_test.json"
    tasks = json.loads(path.read_text())
    change(tasks[0])
    path.write_text(json.dumps(tasks))
    with pytest.raises(DataError, match=message):
        open_dataset("phrasecut", tree, "test")


def test_broken_files_are_reported(tree: Path) -> None:
    folder = tree / "VGPhraseCut_v0"
    (folder / "image_data_split3000.json").write_text('[{"image_id": 1}]')
    with pytest.raises(DataError, match=r"expected image_id, height and width of each picture, got KeyError"):
        open_dataset("phrasecut", tree, "test")
    (folder / "refer_test.json").write_text("{}")
    with pytest.raises(DataError, match="expected a list of tasks, a dict each, got dict"):
        open_dataset("phrasecut", tree, "test")
    with pytest.raises(DataError, match=r"no such folder: expected VGPhraseCut_v0 in the dataset's root"):
        open_dataset("phrasecut", folder, "test")
