"""What every exporter obeys, and the overlay that several of them share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from rvos.export.legend import video_legend
from rvos.export.painter import Painter
from rvos.export.style import OverlayStyle
from rvos.types import Frame, FrameResult, Target, VideoInfo


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


class OverlayPainter:
    """Draws masks and legend on frames; exporters that want the same picture of the same frame share one of these."""

    def __init__(self, style: OverlayStyle) -> None:
        self.painter = Painter(style)
        self._last: tuple[Frame, np.ndarray] | None = None

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        """Make the legend of this video."""
        self._names = [target.name for target in targets]
        self._legend, self._corner = video_legend(self._names, info.size, self.painter.style)
        self._last = None

    def paint(self, frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
        """(H, W, 3) uint8 RGB, read-only: `frame` with the masks of all targets, their marks and the legend."""
        if self._last is not None and self._last[0] is frame:
            return self._last[1]
        image = frame.image.copy()
        self.painter.masks(image, [result.mask for result in results])
        self.painter.marks(image, results, self._names)
        if self.painter.style.legend:
            self._legend.paint(image, self._corner, [result.present for result in results])
        image.flags.writeable = False
        self._last = (frame, image)
        return image


def frame_caption(frame: Frame) -> str:
    """How a frame is named on a picture: its index and its time."""
    return f"frame {frame.index} · {frame.time_s:.2f} s"
