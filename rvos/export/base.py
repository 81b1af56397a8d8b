"""What every exporter obeys, the two shapes that most have, and the overlay that several of them share."""

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

_PAINTED = 4
"""Pictures that are kept for exporters which come to them later: they are as large as frames."""


class Exporter(Protocol):
    """Writes one kind of output, frame by frame, in memory that does not grow with the video.

    Calls come in the order `open`, any number of `write`, then either `close` or `abort`.
    """

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        """Make ready. Raises `OutputError` when the output cannot be made."""
        ...

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        """Take in a frame and its E results in the order of the targets. Raises `OutputError`."""
        ...

    def close(self) -> list[Path]:
        """Finish and tell what was written: files, or the folder of many. Raises `OutputError`."""
        ...

    def abort(self) -> None:
        """The run broke: leave what was written readable. Raises `OutputError` when even that fails."""
        ...


class FrameByFrame:
    """An exporter that leaves files of their own for every frame in a folder, and keeps nothing from one to the next:
    its `write` may be called in any order, by several threads at once, and what an earlier pass has written stands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        make_folder(self.folder)

    def close(self) -> list[Path]:
        return [self.folder]

    def abort(self) -> None:
        """Every file is whole already."""


class VideoExporter(ABC):
    """An exporter that makes one video: a picture a frame, at its time."""

    def __init__(self, path: Path, encoding: Encoding = H264) -> None:
        self._path = path
        self._encoding = encoding

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._writer = VideoWriter(
            self._path, self.size(info), rate=info.rate, pixel_aspect=info.pixel_aspect, encoding=self._encoding
        )

    def size(self, info: VideoInfo) -> tuple[int, int]:
        """(height, width) of the pictures: the video's."""
        return info.size

    @abstractmethod
    def picture(self, frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
        """What is shown for a frame: (H, W, 3) uint8 RGB, or (H, W, 4) RGBA where the encoding has alpha."""

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        self._writer.write(self.picture(frame, results), frame.time_s)

    def close(self) -> list[Path]:
        self._writer.close()
        return [self._path]

    def abort(self) -> None:
        self._writer.close()


class OverlayPainter:
    """Draws masks and legend on frames; exporters that want the same picture of the same frame share one of these, in
    threads of their own."""

    def __init__(self, style: OverlayStyle) -> None:
        self.painter = Painter(style)
        self._painting = threading.Lock()
        self._painted: deque[tuple[Frame, np.ndarray]] = deque(maxlen=_PAINTED)

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        """Make the legend of this video."""
        self._names = [target.name for target in targets]
        self._legend, self._corner = video_legend(self._names, info.size, self.painter.style)
        self._painted.clear()

    def paint(self, frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
        """(H, W, 3) uint8 RGB, read-only: `frame` with the masks of all targets, their marks and the legend."""
        with self._painting:
            known = next((image for painted, image in self._painted if painted is frame), None)
            if known is None:
                known = self._paint(frame, results)
                self._painted.append((frame, known))
            return known

    def _paint(self, frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
        image = frame.image.copy()
        self.painter.masks(image, [result.mask for result in results])
        self.painter.marks(image, results, self._names)
        if self.painter.style.legend:
            self._legend.paint(image, self._corner, [result.present for result in results])
        image.flags.writeable = False
        return image


def frame_caption(frame: Frame) -> str:
    """How a frame is named on a picture: its index and its time."""
    return f"frame {frame.index} · {frame.time_s:.2f} s"
