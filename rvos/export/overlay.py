"""Videos with masks drawn: the overlay, and source and overlay side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rvos.export.base import OverlayPainter, VideoExporter
from rvos.types import Frame, FrameResult, Target, VideoInfo


class OverlayExporter(VideoExporter):
    """A video of all frames, at their times and size, with masks and legend."""

    def __init__(self, path: Path, overlay: OverlayPainter) -> None:
        super().__init__(path)
        self._overlay = overlay

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._overlay.open(info, targets)
        super().open(info, targets)

    def image(self, frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
        return self._overlay.paint(frame, results)


class CompareExporter(OverlayExporter):
    """A video: the source on the left, the overlay on the right, twice the width."""

    def size(self, info: VideoInfo) -> tuple[int, int]:
        return info.size[0], 2 * info.size[1]

    def image(self, frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
        return cv2.hconcat([frame.image, super().image(frame, results)])
