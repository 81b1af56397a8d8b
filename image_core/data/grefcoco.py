"""gRefCOCO: the REFER layout with several targets or none.

ROOT/grefcoco/grefs(<split_by>).json   or .p; `ann_id` is a list, [-1] where there is no target
ROOT/grefcoco/instances.json
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from image_core.data.annotation_files import read_json, read_plain_pickle
from image_core.data.layout import Layout
from image_core.data.refer import build_record, dataset_folder, read_instances_beside


def read_grefs(root: Path, dataset: str, split_by: str, split: str | None = None) -> tuple[Path, Any]:
    """The references' file and its content, of all splits, unchecked. The JSON file is read where both are there.

    Raises `DataError` when it is missing or broken.
    """
    folder = dataset_folder(root, dataset)
    pickled = folder / f"grefs({split_by}).p"
    path = folder / f"grefs({split_by}).json"
    if not path.is_file() and pickled.is_file():
        return pickled, read_plain_pickle(pickled)
    return path, read_json(path)


LAYOUT = Layout(__doc__ or "", dataset_folder, read_grefs, read_instances_beside, build_record)
