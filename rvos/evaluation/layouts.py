"""The layout of predictions on disk: `rvos evaluate` writes it, `rvos score` and `rvos submit` read it.

Masks are 8-bit grey PNGs of the size of the video, 0 or 255 (docs/masks.md lists what else is read), one for every
frame of the metadata: <folder>/<prefix>/<video>/<expression>/<frame>.png.
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
    """Finds the predictions of expressions."""

    def has(self, root: Path, video: VideoRecord, expression: Expression) -> bool:
        """Whether there is any prediction for the expression under `root`."""
        ...

    def read(self, root: Path, video: VideoRecord, expression: Expression, index: int) -> np.ndarray | None:
        """The predicted mask (H, W) bool on the frame at `index`, None where there is none. Raises `DataError`."""
        ...


@dataclass(frozen=True)
class MaskTree:
    """A folder of masks per expression. prefix: the folder that holds those of the videos, "" for none."""

    prefix: str = ""

    def top(self, root: Path) -> Path:
        """The folder that holds those of the videos."""
        return root / self.prefix

    def folder(self, root: Path, video: VideoRecord, expression: Expression) -> Path:
        """The folder of the masks of an expression."""
        return self.top(root) / video.video_id / expression.expression_id

    def has(self, root: Path, video: VideoRecord, expression: Expression) -> bool:
        return self.folder(root, video, expression).is_dir()

    def start(self, root: Path, video: VideoRecord, expression: Expression) -> None:
        """Create the folder of an expression. Raises `OutputError`."""
        make_folder(self.folder(root, video, expression))

    def discard(self, root: Path, video: VideoRecord, expression: Expression) -> None:
        """Remove the masks of an expression."""
        shutil.rmtree(self.folder(root, video, expression), ignore_errors=True)

    def write(self, root: Path, video: VideoRecord, expression: Expression, index: int, mask: np.ndarray) -> None:
        """Write the mask (H, W) bool of the frame at `index`. Raises `OutputError`."""
        path = self.folder(root, video, expression) / f"{video.frame_name(index)}.png"
        write_png(path, mask.astype(np.uint8) * 255)

    def read(self, root: Path, video: VideoRecord, expression: Expression, index: int) -> np.ndarray | None:
        path = self.folder(root, video, expression) / f"{video.frame_name(index)}.png"
        return read_mask(path).binary() if path.exists() else None
