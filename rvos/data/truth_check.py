"""Every frame and every true mask of a split opened once: what only looking tells, before an evaluation finds out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from image_core.data.words import text_fault
from image_core.errors import DataError, RvosError
from image_core.pictures import check_whole
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
        found = check_whole(path)
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
    masks = {e: dataset.truth(video, e) for e in video.expressions}
    positions = {e: e.scored if e.scored is not None else range(len(video.frame_names)) for e in masks}
    seen: dict[Expression, bool] = dict.fromkeys(masks, False)
    faults: dict[Expression, str] = {}
    for position in sorted({p for each in positions.values() for p in each}):
        for expression in masks:
            if expression in faults or position not in positions[expression]:
                continue
            try:
                mask = _next(dataset, video, expression, masks[expression])
                if size is not None and mask.shape != size:
                    raise DataError(
                        f"{dataset.name}, {video.video_id}/{expression.expression_id}, frame "
                        f"{video.frame_name(position)}: expected truth of the frames' {_px(size)}, got "
                        f"{_px(mask.shape)}: fetch both from one release"
                    )
                seen[expression] = seen[expression] or bool(mask.any())
            except RvosError as error:
                faults[expression] = str(error)
    for expression, was_seen in seen.items():
        if not was_seen and expression not in faults and dataset.expects_target(video, expression):
            faults[expression] = nothing_shown(dataset, video, expression)
    return list(faults.values())


def _next(dataset: VideoDataset, video: VideoRecord, expression: Expression, masks: Iterator[np.ndarray]) -> np.ndarray:
    mask = next(masks, None)
    if mask is None:
        name = f"{video.video_id}/{expression.expression_id}"
        raise DataError(f"{dataset.name}, {name}: the truth ends before the frames do: fetch it again")
    return mask


def _px(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]} px (height x width)"
