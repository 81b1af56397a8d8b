"""The adapters on small trees written by hand in the public layouts, and every way such a tree can be broken."""

from __future__ import annotations

import datetime
import json
import logging
import pickle
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.data import grefcoco, refer
from image_core.data.check import check_images
from image_core.data.dataset import ReferringImages
from image_core.data.records import ReferringRecord
from image_core.data.refer import read_records
from image_core.data.table import open_dataset
from image_core.errors import DataError, UnknownNameError
from image_core.geometry.rle import decode_polygons, encode_rle

SIZE = (40, 60)
BLOB = np.zeros(SIZE, bool)
BLOB[10:30:2, 5:50] = True

ONE = [2.0, 2, 22, 2, 22, 22, 2, 22]
TWO = [15.0, 15, 35, 15, 35, 35, 15, 35]
FAR = [45.0, 5, 55, 5, 55, 15, 45, 15]


def read_refer(root: Path, dataset: str, split_by: str, split: str) -> list[ReferringRecord]:
    return read_records(refer.LAYOUT, root, dataset, split_by, split)


def read_grefcoco(root: Path, split_by: str, split: str) -> list[ReferringRecord]:
    return read_records(grefcoco.LAYOUT, root, "grefcoco", split_by, split)


def name_of(image_id: int) -> str:
    return f"COCO_train2014_{image_id:012d}.jpg"


def instances() -> dict[str, Any]:
    uncompressed = {"size": list(SIZE), "counts": [0, 3, SIZE[0] * SIZE[1] - 3]}
    segmentations = {10: [ONE], 11: [ONE, TWO], 12: [ONE, FAR], 13: encode_rle(BLOB), 14: uncompressed, 15: [TWO]}
    return {
        "images": [{"id": i, "file_name": name_of(i), "height": SIZE[0], "width": SIZE[1]} for i in range(1, 6)],
        "annotations": [
            {"id": a, "image_id": min(5, a - 9), "category_id": 1, "segmentation": s, "iscrowd": 0}
            for a, s in segmentations.items()
        ],
        "categories": [{"id": 1, "name": "thing", "supercategory": "all"}],
    }


def reference(ref_id: int, ann_id: int | list[int], image_id: int, split: str, *expressions: str) -> dict[str, Any]:
    rows = [
        {"sent_id": 100 * ref_id + i, "raw": s, "sent": s.lower(), "tokens": s.split()}
        for i, s in enumerate(expressions)
    ]
    return {
        "ref_id": ref_id,
        "ann_id": ann_id,
        "image_id": image_id,
        "category_id": 1,
        "split": split,
        "file_name": f"COCO_train2014_{image_id:012d}_{ref_id}.jpg",
        "sent_ids": [row["sent_id"] for row in rows],
        "sentences": rows,
    }


REFCOCO = [
    reference(1, 10, 1, "train", "The Left one", "box at left"),
    reference(2, 11, 2, "train", "two parts that overlap"),
    reference(3, 12, 3, "val", "far apart"),
    reference(4, 13, 4, "testA", "striped"),
    reference(5, 15, 5, "train", "lower"),
    reference(6, 14, 5, "train", "three pixels", "dot"),
]
GREFCOCO = [
    reference(1, [10], 1, "train", "one"),
    reference(2, [11, 15], 2, "train", "all of them"),
    reference(3, [-1], 3, "train", "the zebra"),
    reference(4, [12], 4, "val", "one again"),
]


def write_tree(root: Path) -> Path:
    """RefCOCO and gRefCOCO with five pictures."""
    pictures = root / "images/mscoco/images/train2014"
    pictures.mkdir(parents=True)
    for i in range(1, 6):
        image = np.full((*SIZE, 3), (20 * i, 0, 200), np.uint8)
        cv2.imwrite(str(pictures / name_of(i)), image[:, :, ::-1])
    for dataset in ("refcoco", "grefcoco"):
        (root / dataset).mkdir()
        (root / dataset / "instances.json").write_text(json.dumps(instances()))
    # the published files were written by Python 2, in its oldest form
    (root / "refcoco/refs(unc).p").write_bytes(pickle.dumps(REFCOCO, protocol=0))
    (root / "grefcoco/grefs(unc).json").write_text(json.dumps(GREFCOCO))
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path)


def test_records_of_a_split(tree: Path) -> None:
    records = read_refer(tree, "refcoco", "unc", "train")
    assert [record.ref_id for record in records] == [1, 2, 5, 6]
    first = records[0]
    assert [e.text for e in first.expressions] == ["The Left one", "box at left"]
    assert [e.expression_id for e in first.expressions] == [100, 101]
    assert first.annotation_ids == (10,) and first.size == SIZE and first.split == "train"
    assert first.image_path.name == name_of(1) and first.image_path.is_file()
    assert {len(read_refer(tree, "refcoco", "unc", split)) for split in ("val", "testA")} == {1}


def test_overlapping_parts_are_one_mask_without_holes(tree: Path) -> None:
    record = read_refer(tree, "refcoco", "unc", "train")[1]
    expected = decode_polygons([ONE], SIZE) | decode_polygons([TWO], SIZE)
    np.testing.assert_array_equal(record.mask(), expected)
    assert record.mask()[18, 18]


def test_run_lengths_of_both_forms(tree: Path) -> None:
    np.testing.assert_array_equal(read_refer(tree, "refcoco", "unc", "testA")[0].mask(), BLOB)
    dot = read_refer(tree, "refcoco", "unc", "train")[3].mask()
    assert dot[:3, 0].all() and dot.sum() == 3


def test_samples_are_images_with_all_their_expressions(tree: Path) -> None:
    dataset = open_dataset("refcoco", tree, "train")
    assert len(dataset) == 3
    sample = dataset[2]
    assert sample.expressions == ("lower", "three pixels", "dot")
    assert sample.sample_id == "5" and sample.expression_ids == ("5_500", "6_600", "6_601")
    assert sample.image.shape == (*SIZE, 3) and sample.image[0, 0, 2] > sample.image[0, 0, 0] > sample.image[0, 0, 1]
    np.testing.assert_array_equal(sample.masks[1], sample.masks[2])
    assert sample.masks[0].sum() > sample.masks[1].sum() == 3
    assert dataset.words() == {"the", "left", "one", "box", "at", "two", "parts", "that", "overlap"} | {
        "lower",
        "three",
        "pixels",
        "dot",
    }


def test_grefcoco_has_several_targets_and_none(tree: Path) -> None:
    records = read_grefcoco(tree, "unc", "train")
    assert [record.annotation_ids for record in records] == [(10,), (11, 15), ()]
    np.testing.assert_array_equal(records[1].mask(), decode_polygons([ONE, TWO], SIZE))
    assert not records[2].mask().any()
    assert not open_dataset("grefcoco", tree, "train")[2].masks.any()
    assert len(read_grefcoco(tree, "unc", "val")) == 1


def test_grefcoco_as_a_pickle(tree: Path) -> None:
    expected = read_grefcoco(tree, "unc", "train")
    (tree / "grefcoco/grefs(unc).json").unlink()
    (tree / "grefcoco/grefs(unc).p").write_bytes(pickle.dumps(GREFCOCO))
    assert read_grefcoco(tree, "unc", "train") == expected


@pytest.mark.parametrize(
    ("pickled", "level", "words"),
    [
        (pickle.dumps(GREFCOCO), logging.INFO, r"json is read; grefs\(unc\)\.p beside it holds the same$"),
        (pickle.dumps([row | {"ann_id": tuple(row["ann_id"])} for row in GREFCOCO]), logging.INFO, "holds the same$"),
        (pickle.dumps(GREFCOCO[:1]), logging.WARNING, "which ReLA's own reader takes, has other references: remove"),
        (b"no pickle", logging.WARNING, "json is read; the pickle beside it cannot be compared with it: "),
    ],
)
def test_grefcoco_in_both_forms(
    tree: Path, pickled: bytes, level: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The JSON is read, whatever lies beside it, and one line tells so."""
    caplog.set_level(logging.INFO)
    expected = read_grefcoco(tree, "unc", "train")
    assert not caplog.records
    (tree / "grefcoco/grefs(unc).p").write_bytes(pickled)
    assert read_grefcoco(tree, "unc", "train") == expected
    (told,) = caplog.records
    assert told.levelno == level and re.search(words, told.getMessage()), told.getMessage()


def with_segmentation(tree: Path, dataset: str, segmentation: Any, **fields: Any) -> None:
    """Annotation 10, the truth of the first reference, another way."""
    content = instances()
    content["annotations"][0] |= {"segmentation": segmentation, **fields}
    (tree / dataset / "instances.json").write_text(json.dumps(content))


@pytest.mark.parametrize("dataset", ["refcoco", "grefcoco"])
@pytest.mark.parametrize("broken", [[], [5.0], [1.0, 1, 30, 30], [1.0, 1, 30, 1, 30, 30, 1]])
def test_empty_polygons_are_left_out_and_reported_once(
    tree: Path, dataset: str, broken: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    with_segmentation(tree, dataset, [broken, ONE, broken])
    data = open_dataset(dataset, tree, "train")
    np.testing.assert_array_equal(data[0].masks[0], decode_polygons([ONE], SIZE))
    assert data.polygons(0)[0] == 1
    what = f"a polygon of {len(broken)} numbers of annotation 10"
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        f"left out of the truth, as published readers do: {what}"
    ]
    found = check_images(dataset, tree)
    assert found.to_do is None and found.notes[-1] == f"note: left out of the truth, as published readers do: {what}"
    assert found.notes[-1] in found.lines() and not caplog.records[1:]


def test_many_that_are_left_out_are_one_line(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    with_segmentation(tree, "grefcoco", [ONE, *([0.0] * n for n in range(6))])
    open_dataset("grefcoco", tree, "train")
    assert len(caplog.records) == 1 and caplog.text.rstrip().endswith("2 numbers of annotation 10 and 3 more")


@pytest.mark.parametrize("dataset", ["refcoco", "grefcoco"])
def test_an_object_of_broken_polygons_alone_is_refused(
    tree: Path, dataset: str, caplog: pytest.LogCaptureFixture
) -> None:
    with_segmentation(tree, dataset, [[1.0, 1, 30, 30]])
    with pytest.raises(DataError, match="annotation 10 of image 1: polygon: expected an even count of at least 6"):
        open_dataset(dataset, tree, "train")[0]
    assert not caplog.records and "a polygon of 4 numbers" in str(check_images(dataset, tree).broken_refs)


def test_crowds_are_no_objects_of_grefcoco(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """ReLA's reader skips them; in RefCOCO the readers differ, and they stay."""
    (tree / "grefcoco/grefs(unc).json").write_text(json.dumps([reference(1, [10, 15], 5, "train", "both")]))
    with_segmentation(tree, "grefcoco", [FAR], iscrowd=1)
    (record,) = read_grefcoco(tree, "unc", "train")
    assert record.annotation_ids == (15,)
    np.testing.assert_array_equal(record.mask(), decode_polygons([TWO], SIZE))
    assert [each.getMessage().partition(": ")[2] for each in caplog.records] == [
        "left out of the truth, as published readers do: the crowd of annotation 10"
    ]
    with_segmentation(tree, "refcoco", [FAR], iscrowd=1)
    np.testing.assert_array_equal(read_refer(tree, "refcoco", "unc", "train")[0].mask(), decode_polygons([FAR], SIZE))
    (tree / "grefcoco/grefs(unc).json").write_text(json.dumps([reference(1, [10], 1, "train", "all of them")]))
    refuses("reference 1: expected an object, got crowds alone", tree, dataset="grefcoco")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol_and_containers(tree: Path, protocol: int) -> None:
    rows = [dict(row, seen={"a", "b"}, both=(1, 2.5, None, True)) for row in REFCOCO]
    (tree / "refcoco/refs(unc).p").write_bytes(pickle.dumps(rows, protocol=protocol))
    assert len(read_refer(tree, "refcoco", "unc", "train")) == 4


def test_families_are_kept_where_the_file_has_them(tree: Path) -> None:
    rows = [reference(1, 10, 1, "train", "one")]
    rows[0]["sentences"][0]["family"] = "location"
    (tree / "refcoco/refs(unc).p").write_bytes(pickle.dumps(rows))
    assert ReferringImages(read_refer(tree, "refcoco", "unc", "train"))[0].families == ("location",)


class Loud:
    """A pickle of this runs a command when it is loaded carelessly."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def refuses(message: str, root: Path, split: str = "train", dataset: str = "refcoco") -> None:
    with pytest.raises(DataError, match=message) as raised:
        open_dataset(dataset, root, split)
    assert "\n" not in str(raised.value)


def test_a_pickle_that_would_run_something_is_refused(tree: Path) -> None:
    target = tree / "ran"
    (tree / "refcoco/refs(unc).p").write_bytes(pickle.dumps([Loud(target)]))
    refuses("it asks for", tree)
    assert not target.exists()


@pytest.mark.parametrize("content", [np.zeros(3), datetime.date(2020, 1, 1), print])
def test_a_pickle_of_more_than_plain_values_is_refused(tree: Path, content: Any) -> None:
    (tree / "refcoco/refs(unc).p").write_bytes(pickle.dumps([content]))
    refuses("expected plain lists and dicts", tree)


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(REFCOCO)[:-40], b"\x80\x04\x95\xff"])
def test_a_broken_pickle_is_one_line(tree: Path, content: bytes) -> None:
    (tree / "refcoco/refs(unc).p").write_bytes(content)
    refuses(r"refs\(unc\)\.p", tree)


def test_what_is_missing_is_named(tree: Path, tmp_path: Path) -> None:
    refuses("no split 'dev'; it holds testA, train, val", tree, "dev")
    refuses("refcocog: no such folder", tree, dataset="refcocog")
    refuses("refcoco: no such folder", tmp_path / "nowhere")
    (tree / "images").rename(tree / "photos")
    refuses("expected a folder of pictures, images/mscoco", tree)
    (tree / "refcoco/instances.json").unlink()
    refuses(r"instances\.json: no such file: .*; the folder holds refs", tree)
    (tree / "refcoco/refs(unc).p").rename(tree / "refcoco/refs(google).p")
    refuses(r"refs\(unc\)\.p: no such file: .*; the folder holds refs\(google\)\.p", tree)
    with pytest.raises(UnknownNameError, match="did you mean 'refcocog'"):
        open_dataset("refcocg", tree, "train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON, got another file"),
        ("[]", "expected COCO's images and annotations"),
        ('{"images": []}', "got an object with images"),
    ],
)
def test_broken_instances(tree: Path, content: str, message: str) -> None:
    (tree / "refcoco/instances.json").write_text(content)
    refuses(message, tree)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"a": 1}, "expected a list of references"),
        ([1, 2], "expected a dict a reference"),
        ([{"split": "train"}], r"reference \?: expected the dataset's fields"),
        ([dict(REFCOCO[0], sentences=[{"sent": "x"}])], "reference 1: expected the dataset's fields"),
        ([dict(REFCOCO[0], image_id=99)], "no image 99, which reference 1 names"),
        ([dict(REFCOCO[0], ann_id=99)], "no annotation 99, which reference 1 names"),
        ([], "it holds no references"),
    ],
)
def test_rows_that_do_not_fit(tree: Path, rows: Any, message: str) -> None:
    (tree / "refcoco/refs(unc).p").write_bytes(pickle.dumps(rows))
    refuses(message, tree)


def test_broken_images_and_masks_are_named_when_asked_for(tree: Path) -> None:
    dataset = open_dataset("refcoco", tree, "train")
    picture = tree / "images/mscoco/images/train2014" / name_of(1)
    picture.write_bytes(b"no picture")
    with pytest.raises(DataError, match="not a picture that can be read"):
        dataset[0]
    cv2.imwrite(str(picture), np.zeros((30, 30, 3), np.uint8))
    with pytest.raises(DataError, match=r"expected 40 x 60 px, as annotated, got 30 x 30"):
        dataset[0]
    picture.unlink()
    with pytest.raises(DataError, match="no such picture, which reference 1 names"):
        dataset[0]
    content = instances()
    content["annotations"][1]["segmentation"] = {"size": list(SIZE), "counts": [5]}
    (tree / "refcoco/instances.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="annotation 11 of image 2: RLE"):
        open_dataset("refcoco", tree, "train")[1]


@pytest.mark.parametrize("segmentation", [None, 5, "abcdefgh", [5], [[None] * 8], [["a"] * 8], [[10**400] * 8], {}])
def test_a_segmentation_that_is_none(tree: Path, segmentation: Any) -> None:
    content = instances()
    content["annotations"][0]["segmentation"] = segmentation
    (tree / "refcoco/instances.json").write_text(json.dumps(content))
    dataset = open_dataset("refcoco", tree, "train")
    with pytest.raises(DataError, match="annotation 10 of image 1: ") as raised:
        dataset[0]
    assert "\n" not in str(raised.value)
    assert dataset.true_masks(0) == [(True, None)] * 2
