"""The REFER layout: RefCOCO, RefCOCO+, RefCOCOg and RefCLEF.

ROOT/<dataset>/refs(<split_by>).p      references with their expressions
ROOT/<dataset>/instances.json          COCO: images, annotations
ROOT/images/mscoco/images/train2014/   the images, COCO's train2014; see IMAGE_FOLDERS
ROOT/images/saiapr_tc-12/              those of RefCLEF

<split_by>: unc (refcoco, refcoco+), umd or google (refcocog), berkeley or unc (refclef).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from image_core.data.annotation_files import Instances, read_instances, read_plain_pickle
from image_core.data.layout import Layout
from image_core.data.records import ReferringExpression, ReferringRecord
from image_core.errors import DataError

_LOG = logging.getLogger(__name__)
_MAX_LISTED = 3
_COCO_FOLDERS = ("images/mscoco/images/train2014", "images/train2014", "train2014", "images")
IMAGE_FOLDERS = {
    "refcoco": _COCO_FOLDERS,
    "refcoco+": _COCO_FOLDERS,
    "refcocog": _COCO_FOLDERS,
    "grefcoco": _COCO_FOLDERS,
    "refclef": ("images/saiapr_tc-12", "saiapr_tc-12", "images"),
    "phrasecut": ("VGPhraseCut_v0/images", "images"),
}
"""Dataset -> where its images may lie under ROOT, in the order they are tried (REFER's own places first)."""


def read_refs(root: Path, dataset: str, split_by: str, split: str | None = None) -> tuple[Path, Any]:
    """The references' file and its content, of all splits, unchecked. Raises `DataError` when it is missing or broken.

    File names are those of instances.json: a reference's own `file_name` carries an `_<annotation id>` suffix that no
    image has.
    """
    path = dataset_folder(root, dataset) / f"refs({split_by}).p"
    return path, read_plain_pickle(path)


def dataset_folder(root: Path, dataset: str) -> Path:
    """ROOT/<dataset>. Raises `DataError` when it is not there."""
    folder = root / dataset
    if not folder.is_dir():
        folders = sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
        above = "; it looks like the dataset's own folder: give the one above" * (root / "instances.json").is_file()
        raise DataError(
            f"{folder}: no such folder: expected {dataset} in the dataset's root, got "
            f"{', '.join(folders) or 'no folder'}{above}"
        )
    return folder


def read_records(layout: Layout, root: Path, dataset: str, split_by: str, split: str) -> list[ReferringRecord]:
    """The references of one split, in the file's order, all expressions kept. An annotation id of -1 is no target.

    What published readers leave out of the truth is left out, with a warning. Raises `DataError` for a missing
    folder or file, an unknown split, or rows that do not fit together.
    """
    path, content = layout.read_rows(root, dataset, split_by, split)
    chosen = rows_of_split(path, check_rows(path, content), split)
    instances = layout.read_instances(path)
    images = image_folder(root, dataset)
    records = []
    for row in chosen:
        try:
            records.append(layout.build_record(row, instances, images))
        except (KeyError, TypeError, ValueError) as error:
            name = row.get("ref_id", "?")
            raise DataError(f"{path}: reference {name}: expected the dataset's fields, got {error!r}") from error
    if note := left_out_of(records):
        _LOG.warning("%s: %s", path, note)
    return records


def left_out_of(records: Iterable[ReferringRecord]) -> str | None:
    """What is left out of the truth of some references, in one line; None where it is nothing."""
    parts = list(dict.fromkeys(part for record in records for part in record.left_out))
    if not parts:
        return None
    more = f" and {len(parts) - _MAX_LISTED} more" if len(parts) > _MAX_LISTED else ""
    return f"left out of the truth, as published readers do: {', '.join(parts[:_MAX_LISTED])}{more}"


def read_instances_beside(path: Path) -> Instances:
    """instances.json beside the references' file. Raises `DataError`."""
    return read_instances(path.parent / "instances.json")


def image_folder(root: Path, dataset: str) -> Path:
    """The first of the dataset's `IMAGE_FOLDERS` that is there. Raises `DataError` when none is."""
    for name in IMAGE_FOLDERS[dataset]:
        if (root / name).is_dir():
            return root / name
    raise DataError(f"{root}: expected a folder of pictures, {' or '.join(IMAGE_FOLDERS[dataset])}, got none")


def check_rows(path: Path, refs: Any) -> list[Mapping[str, Any]]:
    """The content of a refs file as what it should be, a list of dicts. Raises `DataError`."""
    if not isinstance(refs, list):
        raise DataError(f"{path}: expected a list of references, got {type(refs).__name__}")
    if not all(isinstance(row, dict) for row in refs):
        raise DataError(f"{path}: expected a dict a reference, got other rows")
    return refs


def rows_of_split(path: Path, rows: Sequence[Mapping[str, Any]], split: str) -> list[Mapping[str, Any]]:
    """The rows of one split, in order. Raises `DataError` when there is none."""
    chosen = [row for row in rows if split in splits_of(row)]
    if not chosen:
        splits = sorted({str(row.get("split", "")) for row in rows})
        raise DataError(f"{path}: no split '{split}'; it holds {', '.join(splits) or 'no references'}")
    return chosen


def splits_of(row: Mapping[str, Any]) -> frozenset[str]:
    """Every split that a row belongs to: RefCLEF and some re-issues write several in one field, "testA,testB" or
    "testAB", and as in REFER's own reader `test` is all that begins so."""
    names = set(str(row.get("split", "")).split(","))
    for name in tuple(names):
        letters = name.removeprefix("test")
        if letters != name and letters.isupper():
            names |= {"test", *(f"test{letter}" for letter in letters)}
    return frozenset(names)


def build_record(row: Mapping[str, Any], instances: Instances, images: Path) -> ReferringRecord:
    """One row -> its record, without polygons of fewer than three points: ReLA's reader drops them, from an object that
    has others. Raises `DataError` for an image or annotation that is not there, and `KeyError`, `TypeError` or
    `ValueError` for a row without REFER's fields."""
    image = instances.images.get(row["image_id"])
    if image is None:
        raise DataError(f"{instances.path}: no image {row['image_id']}, which reference {row['ref_id']} names")
    ann_ids = row["ann_id"] if isinstance(row["ann_id"], list) else [row["ann_id"]]
    ann_ids = [i for i in ann_ids if i != -1]
    for ann_id in ann_ids:
        if ann_id not in instances.annotations:
            raise DataError(f"{instances.path}: no annotation {ann_id}, which reference {row['ref_id']} names")
    segmentations = {i: _without_degenerate(instances.annotations[i]["segmentation"]) for i in ann_ids}
    return ReferringRecord(
        ref_id=int(row["ref_id"]),
        split=str(row["split"]),
        image_id=int(row["image_id"]),
        image_path=images / image["file_name"],
        size=(int(image["height"]), int(image["width"])),
        expressions=tuple(
            ReferringExpression(int(s["sent_id"]), str(s["raw"]), str(s.get("family", ""))) for s in row["sentences"]
        ),
        annotation_ids=tuple(ann_ids),
        segmentations=tuple(segmentations[i][0] for i in ann_ids),
        left_out=tuple(f"{what} of annotation {i}" for i in ann_ids for what in segmentations[i][1]),
    )


def _without_degenerate(segmentation: Any) -> tuple[Any, list[str]]:
    """A segmentation without its degenerate polygons, and a description of each of these; unchanged if all are
    degenerate."""
    if not isinstance(segmentation, list):
        return segmentation, []
    kept = [part for part in segmentation if not _is_degenerate(part)]
    if not kept:
        return segmentation, []
    return kept, [f"a polygon of {len(part)} numbers" for part in segmentation if _is_degenerate(part)]


def _is_degenerate(part: Any) -> bool:
    return isinstance(part, list) and (len(part) < 6 or len(part) % 2 == 1)


LAYOUT = Layout(__doc__ or "", dataset_folder, read_refs, read_instances_beside, build_record)
