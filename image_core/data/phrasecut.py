"""PhraseCut: a phrase and all regions of an image that it means (Wu et al., CVPR 2020).

ROOT/VGPhraseCut_v0/refer_<split>.json      tasks: a phrase, and the polygons of each instance it means
ROOT/VGPhraseCut_v0/image_data_split3000.json   sizes of the images (or image_data_split.json)
ROOT/VGPhraseCut_v0/images/<image id>.jpg   the images, Visual Genome's

Splits: test, val, train, miniv (100 images kept apart from val), val_miniv (both).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from image_core.data.annotation_files import Instances, read_json
from image_core.data.layout import Layout, Row
from image_core.data.records import ReferringExpression, ReferringRecord
from image_core.errors import DataError

_LOG = logging.getLogger(__name__)
FOLDER = "VGPhraseCut_v0"
SPLITS = ("test", "val", "train", "miniv")
_SPLIT_UNIONS = {"val": "val,val_miniv", "miniv": "miniv,val_miniv"}
_IMAGE_FILES = ("image_data_split3000.json", "image_data_split.json")


def read_tasks(root: Path, dataset: str, author: str, split: str | None) -> tuple[Path, Any]:
    """The tasks of a split, or of all whose files are there, each with its split and its phrase as REFER has them."""
    folder = tasks_folder(root)
    if split is None:
        names = [name for name in SPLITS if _file(folder, name).is_file()] or [SPLITS[0]]
    else:
        names = ["val", "miniv"] if split == "val_miniv" else [split]
    rows = [row for name in names for row in _rows(_file(folder, name), name)]
    return _file(folder, names[0]), rows


def tasks_folder(root: Path, dataset: str = "phrasecut") -> Path:
    """ROOT/VGPhraseCut_v0. Raises `DataError` when it is not there."""
    folder = root / FOLDER
    if not folder.is_dir():
        folders = sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
        raise DataError(
            f"{folder}: no such folder: expected {FOLDER} in the dataset's root, got "
            f"{', '.join(folders) or 'no folder'}"
        )
    return folder


def _file(folder: Path, split: str) -> Path:
    return folder / f"refer_{split}.json"


def _rows(path: Path, split: str) -> Iterator[Row]:
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(task, dict) for task in content):
        raise DataError(f"{path}: expected a list of tasks, a dict each, got {type(content).__name__}")
    for task in content:
        sentences = [{"sent_id": 0, "raw": task["phrase"]}] if "phrase" in task else []
        yield {**task, "ref_id": task.get("task_id"), "split": _SPLIT_UNIONS.get(split, split), "sentences": sentences}


def read_sizes(path: Path) -> Instances:
    """Names and sizes of the images, by their ids; the tasks bring their polygons themselves. Of two files the first
    of `_IMAGE_FILES` is read, with a warning if the other differs."""
    existing = [path.parent / name for name in _IMAGE_FILES if (path.parent / name).is_file()]
    file = existing[0] if existing else path.parent / _IMAGE_FILES[0]
    images = _images_in(file)
    for other in existing[1:]:
        other_images = _images_in(other)
        differing = [
            image_id for image_id in images.keys() & other_images.keys() if images[image_id] != other_images[image_id]
        ]
        if differing:
            _LOG.warning(
                "%s is read; %s beside it has other sizes (picture %d, %d in all): remove the one that is not meant",
                *(file, other.name, min(differing), len(differing)),
            )
    return Instances(file, images, {})


def _images_in(file: Path) -> dict[int, dict[str, Any]]:
    content = read_json(file)
    try:
        return {
            int(row["image_id"]): {
                "file_name": f"{row['image_id']}.jpg",
                "height": int(row["height"]),
                "width": int(row["width"]),
            }
            for row in content
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file}: expected image_id, height and width of each picture, got {error!r}") from error


def task_record(task: Row, instances: Instances, images: Path) -> ReferringRecord:
    """One task -> its record: an object an instance. Raises `DataError` for an image that is not listed, and
    `KeyError`, `TypeError` or `ValueError` for a task without its fields."""
    image_id = int(task["image_id"])
    image = instances.images.get(image_id)
    if image is None:
        raise DataError(f"{instances.path}: no image {image_id}, which task {task['task_id']} names")
    instances_polygons = ([_flat(polygon) for polygon in instance if len(polygon) > 1] for instance in task["Polygons"])
    parts = tuple(polygons for polygons in instances_polygons if polygons)
    # PhraseCut's own reader draws nothing of them
    points = sum(len(polygon) < 2 for instance in task["Polygons"] for polygon in instance)
    if not parts:
        raise ValueError("no polygons, so that nothing is meant")
    return ReferringRecord(
        ref_id=str(task["task_id"]),
        split=str(task["split"]).split(",")[0],
        image_id=image_id,
        image_path=images / image["file_name"],
        size=(image["height"], image["width"]),
        expressions=(ReferringExpression(0, str(task["phrase"]), _family(task)),),
        annotation_ids=tuple(range(len(parts))),
        segmentations=parts,
        outlined=True,
        left_out=(f"{points} of the polygons of task {task['task_id']}, of one point",) if points else (),
    )


def _flat(polygon: Sequence[Sequence[float]]) -> list[float]:
    return [float(number) for x, y in polygon for number in (x, y)]


def _family(task: Row) -> str:
    """What makes the phrase unique: its name, an attribute, a relation, or nothing less than all of it ("verbose")."""
    structure = task.get("phrase_structure")
    return str(structure.get("type", "")) if isinstance(structure, dict) else ""


LAYOUT = Layout(__doc__ or "", tasks_folder, read_tasks, read_sizes, task_record)
