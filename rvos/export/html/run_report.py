"""`report.html` of a run: the film to scrub, expressions to switch, their course over time, and what changed when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rvos.export.html.changes import Changes
from rvos.export.html.film import Film
from rvos.export.html.run_page import Course, write_run_page
from rvos.export.painter import Painter
from rvos.export.style import OverlayStyle
from rvos.types import Frame, FrameResult, Target, VideoInfo


class RunReportExporter:
    """One file that opens offline. It holds at most 160 frames of the film, made smaller, and the 36 largest changes,
    so that it stays small whatever the length; curves have every frame."""

    def __init__(self, path: Path, style: OverlayStyle) -> None:
        self._path = path
        self._style = style

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._info = info
        self._courses = [Course(target.name, self._style.colour_of(target.index)) for target in targets]
        self._film = Film(info.size)
        self._changes = Changes(Painter(self._style))

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        for course, result in zip(self._courses, results, strict=True):
            course.add(result)
        self._changes.add(frame, results)
        self._film.add(frame, results)

    def close(self) -> list[Path]:
        write_run_page(self._path, self._info, self._courses, self._film, self._changes)
        return [self._path]

    def abort(self) -> None:
        if self._film.frame_count:
            self.close()
