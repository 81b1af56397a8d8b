"""Real clips with true masks and expressions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from image_core.errors import DataError
from rvos.types import Frame

RATE = 24.0
EXPRESSIONS = {
    "breakdance": "a boy in a red tshirt performing a breakdance",
    "camel": "a camel moving",
    "car-roundabout": "a black car moving through a roundabout",
    "car-shadow": "a white car crossing a signal",
    "dance-twirl": "a girl in a blue dress twirling",
    "dog": "a dog walking",
    "libby": "a dog running",
}
"""The expression of Ref-DAVIS17 (Khoreva et al., ACCV 2018) for the one object of each clip."""


@dataclass(frozen=True)
class RealClip:
    """A clip of T frames with one object."""

    name: str
    expression: str
    #: (T, H, W, 3) uint8 RGB
    images: np.ndarray
    #: (T, H, W) bool, empty where the object is not visible.
    masks: np.ndarray

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """T of them."""
        return tuple(Frame(t, t / RATE, image) for t, image in enumerate(self.images))


def read_clips(root: Path, names: Iterable[str]) -> list[RealClip]:
    """The clips `<root>/<name>/frames/*.jpg` with `masks/*.png` (0 / 255) beside them.

    A clip's expression is that of `EXPRESSIONS`, else the text of `<root>/<name>/expression.txt`. Raises `DataError`.
    """
    return [_read(root / name) for name in names]


def clips_in(root: Path) -> list[str]:
    """The names of all clips in a folder."""
    return sorted(p.name for p in root.iterdir() if (p / "frames").is_dir() and (p / "masks").is_dir())


def _read(folder: Path) -> RealClip:
    images = [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in sorted((folder / "frames").glob("*.jpg"))]
    masks = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted((folder / "masks").glob("*.png"))]
    if not images or len(images) != len(masks):
        raise DataError(f"{folder}: expected as many frames/*.jpg as masks/*.png, got {len(images)} and {len(masks)}")
    written = folder / "expression.txt"
    expression = written.read_text().strip() if written.is_file() else EXPRESSIONS.get(folder.name, "")
    if not expression:
        raise DataError(
            f"{folder}: expected a known clip or an expression.txt, got neither: write the expression to that file"
        )
    return RealClip(folder.name, expression, np.stack(images), np.stack(masks) > 127)  # pyright: ignore[reportArgumentType, reportCallIssue]
