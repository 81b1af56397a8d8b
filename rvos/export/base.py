"""The interface of exporters, base classes for the two usual kinds, and the overlay that several of them share."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from image_core.files import make_folder
from rvos.export.legend import video_legend
from rvos.export.painter import Painter
from rvos.export.style import OverlayStyle
from rvos.types import Frame, FrameResult, Target, VideoInfo
from rvos.video.encoding import H264, Encoding
from rvos.video.writer import VideoWriter

_CACHED_OVERLAYS = 4
"""Overlays that are kept for exporters that need them later. Each is as large as a frame."""


class Exporter(Protocol):
    """Writes one output, frame by frame. Its memory does not grow with the video.

    Calls come in the order `open`, any number of `write`, then either `close` or `abort`.
    """

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        """Prepare to write. Raises `OutputError` if the output cannot be made."""
        ...

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        """Write a frame and its E results in the order of the targets. Raises `OutputError`."""
        ...

    def close(self) -> list[Path]:
        """Finish. Returns what was written: files, or the folder of many files. Raises `OutputError`."""
        ...

    def abort(self) -> None:
        """Finish after an error in the run, so that what was written can be read. Raises `OutputError`."""
        ...


class PerFrameExporter:
    """An exporter that writes separate files for every frame into a folder, and has no state: `write` may be called in
    any order and by several threads, and files of an earlier run remain valid."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        make_folder(self.folder)

    def close(self) -> list[Path]:
        return [self.folder]

    def abort(self) -> None:
        """Nothing to do: every file is complete."""


class VideoExporter(ABC):
    """An exporter that writes one video, with one image per frame, at the time of the frame."""

    def __init__(self, path: Path, encoding: Encoding = H264) -> None:
        self._path = path
        self._encoding = encoding

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._writer = VideoWriter(
            self._path, self.size(info), rate=info.rate, pixel_aspect=info.pixel_aspect, encoding=self._encoding
        )

    def size(self, info: VideoInfo) -> tuple[int, int]:
        """(height, width) of the images: by default that of the video."""
        return info.size

    @abstractmethod
    def image(self, frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
        """The image for a frame: (H, W, 3) uint8 RGB, or (H, W, 4) RGBA if the encoding has alpha."""

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        self._writer.write(self.image(frame, results), frame.time_s)

    def close(self) -> list[Path]:
        self._writer.close()
        return [self._path]

    def abort(self) -> None:
        self._writer.close()


class OverlayPainter:
    """Draws masks and legend on frames. Exporters that need the same overlays share one of these, also from several
    threads."""

    def __init__(self, style: OverlayStyle) -> None:
        self.painter = Painter(style)
        self._lock = threading.Lock()
        self._cache: deque[tuple[Frame, np.ndarray]] = deque(maxlen=_CACHED_OVERLAYS)

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        """Draw the legend of this video."""
        self._names = [target.name for target in targets]
        self._legend, self._corner = video_legend(self._names, info.size, self.painter.style)
        self._cache.clear()

    def paint(self, frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
        """(H, W, 3) uint8 RGB, read-only: `frame` with the masks of all targets, their marks and the legend."""
        with self._lock:
            overlay = next((image for cached_frame, image in self._cache if cached_frame is frame), None)
            if overlay is None:
                overlay = self._paint(frame, results)
                self._cache.append((frame, overlay))
            return overlay

    def _paint(self, frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
        image = frame.image.copy()
        self.painter.masks(image, [result.mask for result in results])
        self.painter.marks(image, results, self._names)
        if self.painter.style.legend:
            self._legend.paint(image, self._corner, [result.present for result in results])
        image.flags.writeable = False
        return image


def frame_caption(frame: Frame) -> str:
    """The caption of a frame: its index and its time."""
    return f"frame {frame.index} · {frame.time_s:.2f} s"
