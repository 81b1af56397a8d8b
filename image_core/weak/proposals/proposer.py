"""Object proposals: the interface, boxes from a file, and how a proposer is named."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from image_core.errors import DataError
from image_core.geometry.boxes import box_area, clip_boxes
from image_core.weak.proposals.colour_regions import ColourRegions
from image_core.weak.proposals.detector import Detector


class Proposer(Protocol):
    """Anything that proposes boxes."""

    def propose(self, image: np.ndarray, sample_id: str = "", expressions: Sequence[str] = ()) -> np.ndarray:
        """(H, W, 3) uint8 RGB, the sample's name and its expressions, for those that read them -> (N, 4) float64 xyxy
        in pixels, N >= 0, the best first."""
        ...


class BoxesFile:
    """Boxes that somebody else found: a JSON file {sample_id: [[x0, y0, x1, y1], ...]}, pixels of the whole image.

    A row may have a score as its fifth number; then the best comes first, else the order is the file's. Boxes are cut
    to the image, and those outside it dropped. Raises `DataError` for a file of another form.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            document = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"boxes file {path}: cannot be read as JSON ({reason}): give a file that can") from error
        if not isinstance(document, dict):
            raise DataError(f"boxes file {path}: expected {{sample_id: [[x0, ...]]}}, got {type(document).__name__}")
        self._rows = {name: self._checked(name, rows) for name, rows in document.items()}

    def check(self, sample_ids: Sequence[str]) -> None:
        """Raises `DataError` where the file has none of these samples: of another set, or named otherwise."""
        if sample_ids and not self._rows.keys() & set(sample_ids):
            found = f"such as '{next(iter(self._rows))}'" if self._rows else "none at all"
            raise DataError(
                f"boxes file {self.path}: expected samples of the data, such as '{sample_ids[0]}', got {found}"
            )

    def propose(self, image: np.ndarray, sample_id: str = "", expressions: Sequence[str] = ()) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (N, 4) float64. Raises `DataError` for a sample that the file does not have."""
        if sample_id not in self._rows:
            raise DataError(
                f"boxes file {self.path}: expected a sample '{sample_id}', got none: add it, [] where nothing was found"
            )
        boxes = clip_boxes(self._rows[sample_id], (image.shape[0], image.shape[1]))
        return boxes[box_area(boxes) > 0]

    def _checked(self, name: str, rows: Any) -> np.ndarray:
        """(N, 4), the best first."""
        expected = (
            f"boxes file {self.path}: sample '{name}': expected rows of x0 y0 x1 y1, or x0 y0 x1 y1 score, with "
            "x0 < x1 and y0 < y1"
        )
        if not isinstance(rows, list):
            raise DataError(f"{expected}, got {type(rows).__name__}")
        for row in rows:
            if not _is_box(row) or len(row) != len(rows[0]):
                raise DataError(f"{expected}, got {str(row)[:80]}")
        table = np.array(rows, np.float64).reshape(len(rows), -1 if rows else 4)
        order = np.argsort(-table[:, 4], kind="stable") if table.shape[1] == 5 else slice(None)
        return table[order, :4]


def _is_box(row: Any) -> bool:
    if not isinstance(row, list) or len(row) not in (4, 5):
        return False
    numbers = all(isinstance(value, int | float) and math.isfinite(value) for value in row)
    return numbers and row[0] < row[2] and row[1] < row[3]


def build_proposer(name: str, *, device: str = "auto") -> Proposer:
    """ "colour_regions", "boxes:FILE", or a detector by hub name or local folder.

    device: of a detector. Raises `DataError` for a file that is no boxes file, and what `Detector` raises.
    """
    if name == "colour_regions":
        return ColourRegions()
    if name.startswith("boxes:"):
        return BoxesFile(Path(name.removeprefix("boxes:")))
    return Detector(name, device=device)
