"""Every frame and every true mask of a split opened once: what only looking tells, before an evaluation finds out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from image_core.data.words import text_fault
from image_core.errors import DataError, RvosError
from image_core.images import check_complete
from rvos.data.base import VideoDataset, nothing_shown
from rvos.data.records import Expression, VideoRecord

Size = tuple[int, int]
"""(height, width) in pixels."""


def frame_faults(video: VideoRecord, size_of: Callable[[VideoRecord], Size]) -> tuple[Size | None, list[str]]:
    """The size of a video's frames, None where its first cannot be read; and a line for every picture that is there
    and is broken or of another size. Of video files the first frame is decoded."""
    try:
        size = size_of(video)
    except RvosError as error:
        return None, [str(error)]
    if isinstance(video.source, Path):
        return size, []
    return size, [fault for path in video.source[1:] if (fault := _picture_fault(path, size)) is not None]


def _picture_fault(path: Path, size: Size) -> str | None:
    try:
        found = check_complete(path)
    except DataError as error:
        return str(error) if path.exists() else None  # what is missing is named apart
    if found != size:
        return f"{path}: expected {_px(size)}, as the first frame, got {_px(found)}: fetch it again"
    return None


def text_faults(video: VideoRecord) -> list[str]:
    """A line for every expression that cannot be asked."""
    faults = ((e, text_fault(e.text)) for e in video.expressions)
    return [f"{video.video_id}/{e.expression_id}: the expression {fault}" for e, fault in faults if fault is not None]


def truth_faults(dataset: VideoDataset, video: VideoRecord, size: Size | None) -> list[str]:
    """A line for every expression whose truth is broken, is not of the frames' size, or shows nothing on any frame.

    Frame by frame, of each frame all expressions: its truth is then decoded once, and none is kept.
    """
    walks = [_Walk(dataset, video, expression) for expression in video.expressions]
    for position in sorted({p for walk in walks for p in walk.positions}):
        for walk in walks:
            if walk.fault is None and position in walk.positions:
                walk.step(position, size)
    return [fault for walk in walks if (fault := walk.end()) is not None]


class _Walk:
    """The truth of one expression, looked at frame by frame."""

    def __init__(self, dataset: VideoDataset, video: VideoRecord, expression: Expression) -> None:
        self._dataset, self._video, self._expression = dataset, video, expression
        self._name = f"{dataset.name}, {video.video_id}/{expression.expression_id}"
        self._masks = dataset.truth(video, expression)
        self._seen = False
        #: Of the frames that have truth.
        self.positions = range(len(video.frame_names)) if expression.scored is None else expression.scored
        self.fault: str | None = None

    def step(self, position: int, size: Size | None) -> None:
        """The next frame that has truth."""
        try:
            mask = next(self._masks, None)
            if mask is None:
                raise DataError(f"{self._name}: the truth ends before the frames do: fetch it again")
            if size is not None and mask.shape != size:
                raise DataError(
                    f"{self._name}, frame {self._video.frame_name(position)}: expected truth of the frames' "
                    f"{_px(size)}, got {_px(mask.shape)}: fetch both from one release"
                )
            self._seen = self._seen or bool(mask.any())
        except RvosError as error:
            self.fault = str(error)

    def end(self) -> str | None:
        """What is wrong with it, None where nothing is."""
        if self.fault is None and not self._seen and self._dataset.expects_target(self._video, self._expression):
            return nothing_shown(self._dataset, self._video, self._expression)
        return self.fault


def _px(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]} px (height x width)"
