"""`report.html` of a run: the film to scrub, expressions to switch, their course over time, and what changed when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from image_core.geometry.masks import overlap
from rvos.export.html.film import Film
from rvos.export.html.run_page import Change, Course, write_run_page
from rvos.export.jpeg import jpeg_bytes
from rvos.export.painter import Painter
from rvos.export.style import OverlayStyle
from rvos.types import Frame, FrameResult, Target, VideoInfo

_MOST_CHANGES = 36
_JUMP = 0.2
"""Overlap (IoU) with the mask of the frame before below which a target is said to jump."""
_THUMB_PX = 320
_QUALITY = 78


class RunReportExporter:
    """One file that opens offline. It holds at most 160 frames of the film, made smaller, and at most 36 changes, so
    that it stays small whatever the length; curves have every frame."""

    def __init__(self, path: Path, style: OverlayStyle) -> None:
        self._path = path
        self._painter = Painter(style)

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._info = info
        self._targets = tuple(targets)
        self._courses = [Course(target.name, self._painter.style.colour_of(target.index)) for target in targets]
        self._film = Film(info.size)
        self._changes: list[Change] = []
        self._left_out = 0
        self._before: Sequence[FrameResult] = ()

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        for course, result in zip(self._courses, results, strict=True):
            course.add(result)
        for target, result in zip(self._targets, results, strict=True):
            what = _change(self._before[target.index] if self._before else None, result)
            if what:
                self._keep_change(frame, target, result, what)
        self._film.add(frame, results)
        self._before = results

    def _keep_change(self, frame: Frame, target: Target, result: FrameResult, what: str) -> None:
        if len(self._changes) == _MOST_CHANGES:
            self._left_out += 1
            return
        image = _thumb(frame.image, result, self._painter)
        position = self._film.frame_count
        self._changes.append(Change(position, frame.index, frame.time_s, target.index, what, image))

    def close(self) -> list[Path]:
        write_run_page(self._path, self._info, self._courses, self._film, self._changes, self._left_out)
        return [self._path]

    def abort(self) -> None:
        if self._film.frame_count:
            self.close()


def _change(before: FrameResult | None, now: FrameResult) -> str:
    """What is new of a target since the frame before, in words; "" for nothing."""
    if before is None:
        return "" if now.present else "absent at first"
    if now.present != before.present:
        return "appears" if now.present else "disappears"
    if not now.present:
        return ""
    there = [sorted(i for i, mask in result.track_masks.items() if mask.any()) for result in (before, now)]
    if there[0] != there[1]:
        old, new = (", ".join(map(str, ids)) or "none" for ids in there)
        return f"track {new} after {old}"
    intersection, union = overlap(before.mask, now.mask)
    return "jumps" if intersection < _JUMP * union else ""


def _thumb(image: np.ndarray, result: FrameResult, painter: Painter) -> bytes:
    """A small JPEG of a frame with one target's mask."""
    height, width = image.shape[:2]
    size = (_THUMB_PX, max(1, round(height * _THUMB_PX / width)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if width > _THUMB_PX else cv2.INTER_CUBIC)
    mask = cv2.resize(result.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    colour = painter.style.colour_of(result.expression_index)
    inside = np.asarray(mask >= 0.5)
    painter.fill(small, inside, colour)
    painter.outline(small, inside, colour, 1)
    return jpeg_bytes(small, _QUALITY)
