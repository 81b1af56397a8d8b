"""The written folders are RefCOCO and gRefCOCO to anybody who reads those, and say what the pictures show."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from image_core.errors import ConfigError, UnknownNameError
from image_core.synthetic.dataset import SyntheticImages
from image_core.synthetic.layouts import EXPRESSIONS_PER_IMAGE, write_grefcoco, write_refcoco
from image_core.synthetic.recipes import SINGLE_FAMILIES

SIZE = (96, 128)
REF_FIELDS = {"ref_id", "ann_id", "image_id", "category_id", "split", "file_name", "sent_ids", "sentences"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts")
    write_refcoco(folder, {"train": 4, "val": 2, "testA": 3, "testB": 2}, 5, SIZE)
    write_grefcoco(folder, {"train": 4, "testA": 6}, 5, SIZE, "test_compositional")
    return folder


def masks_of(coco: COCO, ann_ids: list[int]) -> np.ndarray:
    union = np.zeros(SIZE, bool)
    for ann in coco.loadAnns(ann_ids):
        union |= coco.annToMask(ann).astype(bool)
    return union


def test_refcoco_equals_the_rendered_scenes(root: Path) -> None:
    coco = COCO(str(root / "refcoco" / "instances.json"))
    refs: list[dict[str, Any]] = pickle.loads((root / "refcoco" / "refs(unc).p").read_bytes())
    assert {r["split"] for r in refs} == {"train", "val", "testA", "testB"}
    image_ids = {split: sorted({r["image_id"] for r in refs if r["split"] == split}) for split in ("testA", "testB")}
    data = SyntheticImages("test", 5, SIZE, EXPRESSIONS_PER_IMAGE, families=SINGLE_FAMILIES)
    checked = 0
    for index, image_id in enumerate(image_ids["testA"] + image_ids["testB"]):
        sample = data[index]
        said = {s["raw"]: r for r in refs if r["image_id"] == image_id for s in r["sentences"]}
        assert set(said) == set(sample.expressions)
        for expression, mask in zip(sample.expressions, sample.masks, strict=True):
            assert np.array_equal(masks_of(coco, [said[expression]["ann_id"]]), mask)
            checked += 1
    assert checked >= 25


def test_refcoco_rows_have_the_originals_fields(root: Path) -> None:
    content = json.loads((root / "refcoco" / "instances.json").read_text())
    refs = pickle.loads((root / "refcoco" / "refs(unc).p").read_bytes())
    images = {i["id"]: i for i in content["images"]}
    anns = {a["id"]: a for a in content["annotations"]}
    sent_ids = [i for r in refs for i in r["sent_ids"]]
    assert len(sent_ids) == len(set(sent_ids)) == len(images) * EXPRESSIONS_PER_IMAGE
    for ref in refs:
        assert set(ref) == REF_FIELDS
        assert ref["file_name"] == images[ref["image_id"]]["file_name"].replace(".jpg", f"_{ref['ann_id']}.jpg")
        assert anns[ref["ann_id"]]["image_id"] == ref["image_id"]
        assert anns[ref["ann_id"]]["category_id"] == ref["category_id"]
        assert [s["sent_id"] for s in ref["sentences"]] == ref["sent_ids"]
        assert all(s["tokens"] == s["sent"].split() and s["family"] in SINGLE_FAMILIES for s in ref["sentences"])
    forms = {type(a["segmentation"]) for a in anns.values()}
    assert list in forms
    for image in images.values():
        picture = cv2.imread(str(root / "images" / "train2014" / image["file_name"]))
        assert picture is not None
        assert picture.shape[:2] == SIZE == (image["height"], image["width"])


def test_grefcoco_has_several_targets_and_none(root: Path) -> None:
    coco = COCO(str(root / "grefcoco" / "instances.json"))
    refs = json.loads((root / "grefcoco" / "grefs(unc).json").read_text())
    sizes = {len(r["ann_id"]) for r in refs if r["ann_id"] != [-1]}
    assert 1 in sizes
    assert max(sizes) >= 2
    assert any(r["ann_id"] == [-1] for r in refs)
    for ref in refs:
        assert len(ref["ann_id"]) == len(ref["category_id"])
        assert ref["no_target"] == (ref["ann_id"] == [-1])
    data = SyntheticImages("test_compositional", 5, SIZE, EXPRESSIONS_PER_IMAGE)
    first = min(r["image_id"] for r in refs if r["split"] == "testA")
    for index in range(6):
        sample = data[index]
        said = {s["raw"]: r for r in refs if r["image_id"] == first + index for s in r["sentences"]}
        for expression, mask in zip(sample.expressions, sample.masks, strict=True):
            ann_ids = [i for i in said[expression]["ann_id"] if i != -1]
            assert np.array_equal(masks_of(coco, ann_ids), mask)


def test_both_layouts_share_a_folder_of_images(root: Path) -> None:
    names = [
        i["file_name"]
        for dataset in ("refcoco", "grefcoco")
        for i in json.loads((root / dataset / "instances.json").read_text())["images"]
    ]
    assert len(names) == len(set(names)) == len(list((root / "images" / "train2014").iterdir()))


def test_writing_twice_writes_the_same(root: Path, tmp_path: Path) -> None:
    write_grefcoco(tmp_path, {"train": 4, "testA": 6}, 5, SIZE, "test_compositional")
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert path.read_bytes() == (root / path.relative_to(tmp_path)).read_bytes()


def test_wrong_splits_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'testA'"):
        write_refcoco(tmp_path, {"test_A": 1}, 0, SIZE)
    with pytest.raises(ConfigError, match="expected 1 picture or more, got 0"):
        write_refcoco(tmp_path, {"val": 0}, 0, SIZE)
    assert not list(tmp_path.iterdir())
