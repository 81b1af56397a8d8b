"""What changed in a film, and when: the frames on which a target appears, disappears, jumps, or is another track."""

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

_MOST = 36
_JUMP = 0.2
"""Overlap (IoU) with the mask of the frame before below which a target is said to jump."""
_SAME = 0.8
"""The same, from which on it does not count that a track joins or leaves: crumbs come and go."""
_THUMB_PX = 320
_QUALITY = 78


@dataclass(frozen=True, order=True)
class Change:
    """A frame on which something of a target is new. Of two, the less is left out first."""

    #: [0, 1]: 1 where it appears or disappears, else how little its mask has to do with the one before.
    weight: float
    #: Minus the position of the frame among those watched: of two alike the later one is left out.
    back: int
    target_index: int
    frame_index: int = field(compare=False)
    time_s: float = field(compare=False)
    what: str = field(compare=False)
    #: A small JPEG.
    picture: bytes = field(compare=False)

    @property
    def position(self) -> int:
        """Of the frame among those watched."""
        return -self.back


class Changes:
    """The largest changes of a film, at most 36, whatever its length."""

    def __init__(self, painter: Painter) -> None:
        self._painter = painter
        self._kept: list[Change] = []
        self._before: Sequence[FrameResult] = ()
        self._count = 0
        self.left_out = 0

    def add(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        """Take in the next frame with its E results."""
        for index, result in enumerate(results):
            what, weight = change(self._before[index] if self._before else None, result)
            if what:
                self._keep(frame, index, result, what, weight)
        self._before = results
        self._count += 1

    def in_order(self) -> list[Change]:
        """Those that are kept, in the order of the film."""
        return sorted(self._kept, key=lambda kept: (kept.position, kept.target_index))

    def _keep(self, frame: Frame, target_index: int, result: FrameResult, what: str, weight: float) -> None:
        is_full = len(self._kept) == _MOST
        self.left_out += is_full
        if is_full and weight <= self._kept[0].weight:
            return
        picture = _thumb(frame.image, result, self._painter)
        found = Change(weight, -self._count, target_index, frame.index, frame.time_s, what, picture)
        if is_full:
            heapq.heapreplace(self._kept, found)
        else:
            heapq.heappush(self._kept, found)


def change(before: FrameResult | None, now: FrameResult) -> tuple[str, float]:
    """What is new of a target since the frame before, in words, and how much it counts, [0, 1]; "" for nothing."""
    if before is None:
        return ("", 0.0) if now.present else ("absent at first", 1.0)
    if now.present != before.present:
        return ("appears" if now.present else "disappears"), 1.0
    if not now.present:
        return "", 0.0
    intersection, union = overlap(before.mask, now.mask)
    share = intersection / union
    was, is_now = ({i for i, mask in result.track_masks.items() if mask.any()} for result in (before, now))
    if was and is_now and not was & is_now:
        return f"{_tracks(is_now)} in place of {_numbers(was)}", max(0.5, 1 - share)
    if share < _JUMP:
        return "jumps", 1 - share
    if was == is_now or share >= _SAME:
        return "", 0.0
    came, left = is_now - was, was - is_now
    parts = [f"{_tracks(came)} {'joins' if len(came) == 1 else 'join'}"] if came else []
    parts += [f"{_tracks(left)} {'leaves' if len(left) == 1 else 'leave'}"] if left else []
    return ", ".join(parts), 1 - share


def _tracks(ids: set[int]) -> str:
    return f"{'track' if len(ids) == 1 else 'tracks'} {_numbers(ids)}"


def _numbers(ids: set[int]) -> str:
    return ", ".join(map(str, sorted(ids)))


def _thumb(image: np.ndarray, result: FrameResult, painter: Painter) -> bytes:
    """A small JPEG of a frame with one target's mask."""
    height, width = image.shape[:2]
    scale = min(_THUMB_PX / width, 2 * _THUMB_PX / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    mask = cv2.resize(result.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    colour = painter.style.colour_of(result.expression_index)
    inside = np.asarray(mask >= 0.5)
    painter.fill(small, inside, colour)
    painter.outline(small, inside, colour, 1)
    return jpeg_bytes(small, _QUALITY)
