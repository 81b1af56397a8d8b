"""The formats of `rvos import` and their readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from image_core.lazy_table import LazyTable

if TYPE_CHECKING:
    from rvos.imports.annotations import Annotations

READERS: LazyTable[Callable[[Path], Annotations]] = LazyTable(
    "import format",
    {
        "coco": "rvos.imports.coco:read_coco",
        "cvat": "rvos.imports.cvat:read_cvat",
        "davis": "rvos.imports.davis:read_davis",
    },
)
