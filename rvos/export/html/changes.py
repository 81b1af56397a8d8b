"""Changes in a video: the frames on which a target appears, disappears, jumps, or becomes another track."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from image_core.geometry.masks import overlap
from rvos.export.jpeg import jpeg_bytes
from rvos.export.painter import Painter
from rvos.types import Frame, FrameResult

_MAX_CHANGES = 36
_JUMP_IOU = 0.2
"""A target jumps if the IoU with its mask on the frame before is below this."""
_SAME_IOU = 0.8
"""From this IoU on it is not reported that a track joins or leaves: tiny tracks come and go."""
_THUMBNAIL_PX = 320
_QUALITY = 78


@dataclass(frozen=True, order=True)
class Change:
    """A change of one target on one frame. The smaller of two, in the order of the fields, is omitted first."""

    #: [0, 1]: 1 if the target appears or disappears, else larger for a smaller IoU with the mask before.
    weight: float
    #: Minus the position of the frame among those processed: of two equal changes the later one is omitted.
    negative_position: int
    target_index: int
    frame_index: int = field(compare=False)
    time_s: float = field(compare=False)
    description: str = field(compare=False)
    #: A small JPEG.
    jpeg: bytes = field(compare=False)

    @property
    def position(self) -> int:
        """The position of the frame among those processed."""
        return -self.negative_position


class Changes:
    """The largest changes in a video, at most 36."""

    def __init__(self, painter: Painter) -> None:
        self._painter = painter
        self._kept: list[Change] = []
        self._before: Sequence[FrameResult] = ()
        self._count = 0
        self.omitted = 0

    def add(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        """Add the next frame with its E results."""
        for index, result in enumerate(results):
            description, weight = describe_change(self._before[index] if self._before else None, result)
            if description:
                self._keep(frame, index, result, description, weight)
        self._before = results
        self._count += 1

    def in_order(self) -> list[Change]:
        """The changes, in the order of the video."""
        return sorted(self._kept, key=lambda change: (change.position, change.target_index))

    def _keep(self, frame: Frame, target_index: int, result: FrameResult, description: str, weight: float) -> None:
        is_full = len(self._kept) == _MAX_CHANGES
        self.omitted += is_full
        if is_full and weight <= self._kept[0].weight:
            return
        jpeg = _thumbnail(frame.image, result, self._painter)
        change = Change(weight, -self._count, target_index, frame.index, frame.time_s, description, jpeg)
        if is_full:
            heapq.heapreplace(self._kept, change)
        else:
            heapq.heappush(self._kept, change)


def describe_change(before: FrameResult | None, now: FrameResult) -> tuple[str, float]:
    """The change of a target since the frame before, as text, and its weight in [0, 1]; "" for no change."""
    if before is None:
        return ("", 0.0) if now.present else ("absent at first", 1.0)
    if now.present != before.present:
        return ("appears" if now.present else "disappears"), 1.0
    if not now.present:
        return "", 0.0
    intersection, union = overlap(before.mask, now.mask)
    iou = intersection / union
    ids_before, ids_now = ({i for i, mask in result.track_masks.items() if mask.any()} for result in (before, now))
    if ids_before and ids_now and not ids_before & ids_now:
        return f"{_tracks(ids_now)} in place of {_numbers(ids_before)}", max(0.5, 1 - iou)
    if iou < _JUMP_IOU:
        return "jumps", 1 - iou
    if ids_before == ids_now or iou >= _SAME_IOU:
        return "", 0.0
    joined, departed = ids_now - ids_before, ids_before - ids_now
    parts = [f"{_tracks(joined)} {'joins' if len(joined) == 1 else 'join'}"] if joined else []
    parts += [f"{_tracks(departed)} {'leaves' if len(departed) == 1 else 'leave'}"] if departed else []
    return ", ".join(parts), 1 - iou


def _tracks(ids: set[int]) -> str:
    return f"{'track' if len(ids) == 1 else 'tracks'} {_numbers(ids)}"


def _numbers(ids: set[int]) -> str:
    return ", ".join(map(str, sorted(ids)))


def _thumbnail(image: np.ndarray, result: FrameResult, painter: Painter) -> bytes:
    """A small JPEG of a frame with one target's mask."""
    height, width = image.shape[:2]
    scale = min(_THUMBNAIL_PX / width, 2 * _THUMBNAIL_PX / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    mask = cv2.resize(result.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    colour = painter.style.colour_of(result.expression_index)
    inside = np.asarray(mask >= 0.5)
    painter.fill(small, inside, colour)
    painter.outline(small, inside, colour, 1)
    return jpeg_bytes(small, _QUALITY)
