"""How a referring dataset lies on disk: the functions that its adapter provides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_core.data.annotation_files import Instances
from image_core.data.records import ReferringRecord

Row = Mapping[str, Any]
"""A reference as REFER has it: split, image_id, sentences, and what else its adapter reads."""


@dataclass(frozen=True)
class Layout:
    """The functions of an adapter. All raise `DataError` for what is missing or broken."""

    #: In words, how the dataset lies under its root.
    tree: str
    #: (root, dataset) -> its folder there.
    folder: Callable[[Path, str], Path]
    #: (root, dataset, author of the splits, split or None for all) -> a file to name in messages, and its content,
    #: unchecked.
    read_rows: Callable[[Path, str, str, str | None], tuple[Path, Any]]
    #: That file -> sizes and names of images, and annotations where they are not in the rows.
    read_instances: Callable[[Path], Instances]
    #: A row, the instances and the folder of images -> its record.
    build_record: Callable[[Row, Instances, Path], ReferringRecord]
