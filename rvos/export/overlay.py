"""Videos for the eye: the overlay, and source and overlay side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from rvos.export.base import OverlayPainter
from rvos.types import Frame, FrameResult, Target, VideoInfo
from rvos.video.writer import VideoWriter


class OverlayExporter:
    """A video of every frame at its time and size, with masks and legend."""

    def __init__(self, path: Path, overlay: OverlayPainter) -> None:
        self._path = path
        self._overlay = overlay

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._overlay.open(info, targets)
        self._writer = VideoWriter(self._path, info.size, rate=info.rate, pixel_aspect=info.pixel_aspect)

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        self._writer.write(self._overlay.paint(frame, results), frame.time_s)

    def close(self) -> list[Path]:
        self._writer.close()
        return [self._path]

    def abort(self) -> None:
        self._writer.close()


class CompareExporter:
    """A video: the source on the left, the overlay on the right, twice the width."""

    def __init__(self, path: Path, overlay: OverlayPainter) -> None:
        self._path = path
        self._overlay = overlay

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._overlay.open(info, targets)
        height, width = info.size
        self._writer = VideoWriter(self._path, (height, 2 * width), rate=info.rate, pixel_aspect=info.pixel_aspect)

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        self._writer.write(cv2.hconcat([frame.image, self._overlay.paint(frame, results)]), frame.time_s)

    def close(self) -> list[Path]:
        self._writer.close()
        return [self._path]

    def abort(self) -> None:
        self._writer.close()
