"""Opens every frame and every true mask of a split once, to find errors that the file names do not reveal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from image_core.data.words import text_fault
from image_core.errors import DataError, RvosError
from image_core.images import check_complete
from rvos.data.base import VideoDataset, missing_target_message
from rvos.data.records import Expression, VideoRecord

Size = tuple[int, int]
"""(height, width) in pixels."""


def frame_faults(video: VideoRecord, size_of: Callable[[VideoRecord], Size]) -> tuple[Size | None, list[str]]:
    """The size of the frames of a video, None where the first cannot be read; and a line for every image that exists
    but is broken or of another size. Of a video file only the first frame is decoded."""
    try:
        size = size_of(video)
    except RvosError as error:
        return None, [str(error)]
    if isinstance(video.source, Path):
        return size, []
    return size, [fault for path in video.source[1:] if (fault := _image_fault(path, size)) is not None]


def _image_fault(path: Path, size: Size) -> str | None:
    try:
        actual = check_complete(path)
    except DataError as error:
        return str(error) if path.exists() else None  # missing files are reported separately
    if actual != size:
        return f"{path}: expected {_px(size)}, as the first frame, got {_px(actual)}: download it again"
    return None


def text_faults(video: VideoRecord) -> list[str]:
    """A line for every expression whose text is not valid."""
    faults = ((e, text_fault(e.text)) for e in video.expressions)
    return [f"{video.video_id}/{e.expression_id}: the expression {fault}" for e, fault in faults if fault is not None]


def truth_faults(dataset: VideoDataset, video: VideoRecord, size: Size | None) -> list[str]:
    """A line for every expression whose truth is broken, differs in size from the frames, or never shows the target.

    All expressions of a frame are checked together, so that its truth is decoded once and not kept.
    """
    checks = [_TruthCheck(dataset, video, expression) for expression in video.expressions]
    for position in sorted({p for check in checks for p in check.positions}):
        for check in checks:
            if check.fault is None and position in check.positions:
                check.step(position, size)
    return [fault for check in checks if (fault := check.result()) is not None]


class _TruthCheck:
    """Checks the truth of one expression frame by frame."""

    def __init__(self, dataset: VideoDataset, video: VideoRecord, expression: Expression) -> None:
        self._dataset, self._video, self._expression = dataset, video, expression
        self._name = f"{dataset.name}, {video.video_id}/{expression.expression_id}"
        self._masks = dataset.truth(video, expression)
        self._target_seen = False
        #: Positions of the frames that have truth.
        self.positions = range(len(video.frame_names)) if expression.scored is None else expression.scored
        self.fault: str | None = None

    def step(self, position: int, size: Size | None) -> None:
        """Check the next frame that has truth."""
        try:
            mask = next(self._masks, None)
            if mask is None:
                raise DataError(f"{self._name}: expected truth for every frame, got fewer masks: download it again")
            if size is not None and mask.shape != size:
                raise DataError(
                    f"{self._name}, frame {self._video.frame_name(position)}: expected the size of the frames, "
                    f"{_px(size)}, got {_px(mask.shape)}: download both from one release"
                )
            self._target_seen = self._target_seen or bool(mask.any())
        except RvosError as error:
            self.fault = str(error)

    def result(self) -> str | None:
        """What is wrong, None where nothing is."""
        if self.fault is None and not self._target_seen and self._dataset.expects_target(self._video, self._expression):
            return missing_target_message(self._dataset, self._video, self._expression)
        return self.fault


def _px(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]} px (height x width)"
