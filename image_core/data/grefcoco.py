"""gRefCOCO: the REFER layout with several targets or none.

ROOT/grefcoco/grefs(<split_by>).json   or .p; `ann_id` is a list, [-1] where there is no target
ROOT/grefcoco/instances.json
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from image_core.data.annotation_files import read_json, read_plain_pickle
from image_core.data.records import ReferringRecord
from image_core.data.refer import build_records, dataset_folder


def read_grefcoco(root: Path, split_by: str, split: str) -> list[ReferringRecord]:
    """The references of one split, in the file's order. The JSON file is read where both are there.

    Raises `DataError` for a missing folder or file, an unknown split, or rows that do not fit together.
    """
    return build_records(*read_grefs(root, split_by), root, split)


def read_grefs(root: Path, split_by: str) -> tuple[Path, Any]:
    """The references' file and its content, unchecked. Raises `DataError` when it is missing or broken."""
    folder = dataset_folder(root, "grefcoco")
    pickled = folder / f"grefs({split_by}).p"
    path = folder / f"grefs({split_by}).json"
    if not path.is_file() and pickled.is_file():
        return pickled, read_plain_pickle(pickled)
    return path, read_json(path)
