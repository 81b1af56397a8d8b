"""gRefCOCO: the REFER layout with several targets or none.

ROOT/grefcoco/grefs(<split_by>).json   else .p; `ann_id` is a list, [-1] where there is no target
ROOT/grefcoco/instances.json
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from image_core.data.annotation_files import Instances, read_json, read_plain_pickle
from image_core.data.layout import Layout, Row
from image_core.data.records import ReferringRecord
from image_core.data.refer import build_record, dataset_folder, read_instances_beside
from image_core.errors import DataError

_LOG = logging.getLogger(__name__)


def read_grefs(root: Path, dataset: str, split_by: str, split: str | None = None) -> tuple[Path, Any]:
    """The references' file and its content, of all splits, unchecked. Where both files are there the JSON is read, and
    a log line says so, and whether the pickle, which ReLA's own reader takes, has the same content.

    Raises `DataError` when it is missing or broken.
    """
    folder = dataset_folder(root, dataset)
    pickled = folder / f"grefs({split_by}).p"
    path = folder / f"grefs({split_by}).json"
    if not path.is_file() and pickled.is_file():
        return pickled, read_plain_pickle(pickled)
    content = read_json(path)
    if pickled.is_file():
        _compare_with_pickle(path, content, pickled)
    return path, content


def _compare_with_pickle(path: Path, content: Any, pickled: Path) -> None:
    try:
        other = read_plain_pickle(pickled)
    except DataError as error:
        _LOG.warning("%s is read; the pickle beside it cannot be compared with it: %s", path, error)
        return
    if content == other or _as_json(content) == _as_json(other):
        _LOG.info("%s is read; %s beside it holds the same", path, pickled.name)
        return
    _LOG.warning(
        "%s is read; %s beside it, which ReLA's own reader takes, has other references: remove the one that is not "
        "meant",
        *(path, pickled.name),
    )


def _as_json(content: Any) -> str:
    """A pickle may have tuples and sets where JSON has lists."""
    return json.dumps(content, sort_keys=True, default=lambda value: sorted(value, key=str))


def gref_record(row: Row, instances: Instances, images: Path) -> ReferringRecord:
    """`build_record` without crowds, which ReLA's reader skips. Raises as it does, and `DataError` where crowds are all
    that is meant."""
    record = build_record(row, instances, images)
    crowds = {i for i in record.annotation_ids if instances.annotations[i].get("iscrowd")}
    if not crowds:
        return record
    if crowds >= set(record.annotation_ids):
        raise DataError(f"{instances.path}: reference {record.ref_id}: expected an object, got crowds alone")
    kept = [i for i in record.annotation_ids if i not in crowds]
    chosen = build_record({**row, "ann_id": kept}, instances, images)
    return replace(chosen, left_out=(*chosen.left_out, *(f"the crowd of annotation {i}" for i in sorted(crowds))))


LAYOUT = Layout(__doc__ or "", dataset_folder, read_grefs, read_instances_beside, gref_record)
