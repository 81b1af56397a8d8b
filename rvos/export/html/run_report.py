"""`report.html` of a run: a player with a switch per expression, curves over time, and a list of changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rvos.export.html.changes import Changes
from rvos.export.html.embedded_frames import EmbeddedFrames
from rvos.export.html.run_page import TargetCurves, write_run_page
from rvos.export.painter import Painter
from rvos.export.style import OverlayStyle
from rvos.types import Frame, FrameResult, Target, VideoInfo


class RunReportExporter:
    """One HTML file that opens offline. It embeds at most 160 frames of the video, scaled down, and the 36 largest
    changes, so its size is limited for any length of the video. The curves have all frames."""

    def __init__(self, path: Path, style: OverlayStyle) -> None:
        self._path = path
        self._style = style

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._info = info
        self._curves = [TargetCurves(target.name, self._style.colour_of(target.index)) for target in targets]
        self._frames = EmbeddedFrames(info.size)
        self._changes = Changes(Painter(self._style))

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        for curves, result in zip(self._curves, results, strict=True):
            curves.add(result)
        self._changes.add(frame, results)
        self._frames.add(frame, results)

    def close(self) -> list[Path]:
        write_run_page(self._path, self._info, self._curves, self._frames, self._changes)
        return [self._path]

    def abort(self) -> None:
        if self._frames.frame_count:
            self.close()
