"""How the predictions of a dataset lie on disk: what `rvos evaluate` writes, and `rvos score` and `rvos submit` read.

Masks are 8-bit grey PNGs at video size, 0 or 255 (of others with one object see docs/masks.md), one for every frame of
the metadata: <folder>/<prefix>/<video>/<expression>/<frame>.png.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from image_core.files import make_folder
from image_core.geometry.mask_files import read_mask
from rvos.data.records import Expression, VideoRecord
from rvos.export.png import write_png


class Layout(Protocol):
    """Where the prediction of an expression is found."""

    def has(self, root: Path, video: VideoRecord, expression: Expression) -> bool:
        """Whether there is any prediction of it under `root`."""
        ...

    def read(self, root: Path, video: VideoRecord, expression: Expression, index: int) -> np.ndarray | None:
        """The mask (H, W) bool of the frame at a position, None where there is none. Raises `DataError`."""
        ...


@dataclass(frozen=True)
class MaskTree:
    """prefix: the folder above those of the videos, "" for none."""

    prefix: str = ""

    def top(self, root: Path) -> Path:
        """The folder above those of the videos."""
        return root / self.prefix

    def folder(self, root: Path, video: VideoRecord, expression: Expression) -> Path:
        """Where the masks of an expression lie."""
        return self.top(root) / video.video_id / expression.expression_id

    def has(self, root: Path, video: VideoRecord, expression: Expression) -> bool:
        return self.folder(root, video, expression).is_dir()

    def start(self, root: Path, video: VideoRecord, expression: Expression) -> None:
        """Make the folder of an expression. Raises `OutputError`."""
        make_folder(self.folder(root, video, expression))

    def discard(self, root: Path, video: VideoRecord, expression: Expression) -> None:
        """Remove what is there of an expression."""
        shutil.rmtree(self.folder(root, video, expression), ignore_errors=True)

    def write(self, root: Path, video: VideoRecord, expression: Expression, index: int, mask: np.ndarray) -> None:
        """The mask (H, W) bool of the frame at a position. Raises `OutputError`."""
        path = self.folder(root, video, expression) / f"{video.frame_name(index)}.png"
        write_png(path, mask.astype(np.uint8) * 255)

    def read(self, root: Path, video: VideoRecord, expression: Expression, index: int) -> np.ndarray | None:
        path = self.folder(root, video, expression) / f"{video.frame_name(index)}.png"
        return read_mask(path).binary() if path.exists() else None
