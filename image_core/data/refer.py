"""The REFER layout: RefCOCO, RefCOCO+, RefCOCOg and RefCLEF.

ROOT/<dataset>/refs(<split_by>).p      references with their sentences
ROOT/<dataset>/instances.json          COCO: images, annotations
ROOT/images/...                        the pictures; see IMAGE_FOLDERS
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from image_core.data.annotation_files import Instances, read_instances, read_plain_pickle
from image_core.data.records import ReferringRecord, Sentence
from image_core.errors import DataError

IMAGE_FOLDERS = ("images/mscoco/images/train2014", "images/saiapr_tc-12", "images/train2014", "train2014", "images")
"""Where the pictures may lie under ROOT, in the order they are looked for (REFER's own places first)."""


def read_refer(root: Path, dataset: str, split_by: str, split: str) -> list[ReferringRecord]:
    """The references of one split, in the file's order, all sentences kept.

    File names are those of instances.json: a reference's own `file_name` carries an `_<annotation id>` suffix that no
    picture has. Raises `DataError` for a missing folder or file, an unknown split, or rows that do not fit together.
    """
    path = dataset_folder(root, dataset) / f"refs({split_by}).p"
    return build_records(path, read_plain_pickle(path), root, split)


def dataset_folder(root: Path, dataset: str) -> Path:
    """ROOT/<dataset>. Raises `DataError` when it is not there."""
    folder = root / dataset
    if not folder.is_dir():
        there = sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
        raise DataError(
            f"{folder}: no such folder; wanted {dataset} under --root, which holds {', '.join(there) or 'nothing'}"
        )
    return folder


def build_records(path: Path, refs: Any, root: Path, split: str) -> list[ReferringRecord]:
    """Rows of a refs file (at `path`) -> records of `split`. An annotation id of -1 is no target."""
    if not isinstance(refs, list):
        raise DataError(f"{path}: came {type(refs).__name__}, wanted a list of references")
    chosen = _rows_of_split(path, refs, split)
    instances = read_instances(path.parent / "instances.json")
    images = image_folder(root)
    records = []
    for row in chosen:
        try:
            records.append(_record(row, instances, images))
        except (KeyError, TypeError, ValueError) as error:
            name = row.get("ref_id", "?")
            raise DataError(f"{path}: reference {name} cannot be read ({error!r}); wanted REFER's fields") from error
    return records


def image_folder(root: Path) -> Path:
    """The first of `IMAGE_FOLDERS` that is there. Raises `DataError` when none is."""
    for name in IMAGE_FOLDERS:
        if (root / name).is_dir():
            return root / name
    raise DataError(f"{root}: no folder of pictures; looked for {', '.join(IMAGE_FOLDERS)}")


def _rows_of_split(path: Path, refs: Sequence[Any], split: str) -> list[Mapping[str, Any]]:
    if not all(isinstance(row, dict) for row in refs):
        raise DataError(f"{path}: came rows that are no dicts, wanted references")
    # RefCLEF and some re-issues write several names in one field ("testA,testB")
    chosen = [row for row in refs if split in _splits_of(row)]
    if not chosen:
        known = sorted({name for row in refs for name in _splits_of(row)})
        raise DataError(f"{path}: no split '{split}'; it holds {', '.join(known) or 'no references'}")
    return chosen


def _splits_of(row: Mapping[str, Any]) -> Iterable[str]:
    return str(row.get("split", "")).split(",")


def _record(row: Mapping[str, Any], instances: Instances, images: Path) -> ReferringRecord:
    image = instances.images.get(row["image_id"])
    if image is None:
        raise DataError(f"{instances.path}: no image {row['image_id']}, which reference {row['ref_id']} names")
    ann_ids = row["ann_id"] if isinstance(row["ann_id"], list) else [row["ann_id"]]
    ann_ids = [i for i in ann_ids if i != -1]
    for ann_id in ann_ids:
        if ann_id not in instances.annotations:
            raise DataError(f"{instances.path}: no annotation {ann_id}, which reference {row['ref_id']} names")
    return ReferringRecord(
        ref_id=int(row["ref_id"]),
        split=str(row["split"]),
        image_id=int(row["image_id"]),
        image_path=images / image["file_name"],
        size=(int(image["height"]), int(image["width"])),
        sentences=tuple(Sentence(int(s["sent_id"]), str(s["raw"]), str(s.get("family", ""))) for s in row["sentences"]),
        annotation_ids=tuple(ann_ids),
        segmentations=tuple(instances.annotations[i]["segmentation"] for i in ann_ids),
    )
