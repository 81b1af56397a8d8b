"""The frames of a film that a page holds: small pictures, and masks as outlines that a browser fills."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from image_core.answer import Candidate
from image_core.geometry.masks import overlap
from rvos.export.jpeg import jpeg_bytes, jpeg_uri
from rvos.export.records import rounded
from rvos.types import Frame, FrameResult

_MOST = 160
_AREA_PX = 640 * 360
_QUALITY = 72
_COARSE_PX = 0.7
"""How far the outline of a candidate may be off, in pixels of the picture: there are many of them."""
_TAKEN = 0.5
"""Overlap (IoU) with a mask that is shown from which on a candidate is said to be that mask's."""


@dataclass(frozen=True)
class _Held:
    """A candidate as the page has it."""

    #: Percent.
    likelihood: int
    quality: int
    #: It became what is shown.
    is_taken: bool
    path: str


@dataclass(frozen=True)
class _Shot:
    position: int
    frame_index: int
    time_s: float
    picture: bytes
    #: A path a target, in pixels of the picture.
    masks: list[str]
    #: [track id, path] of each track of each target.
    tracks: list[list[tuple[int, str]]]
    #: What the image model held possible of each target; None where it was not asked, or nobody kept it.
    candidates: list[list[_Held] | None]


class Film:
    """Every frame until there are too many, then every second, every fourth, ...: 81 to 160 of a long film."""

    def __init__(self, size: tuple[int, int]) -> None:
        scale = min(1.0, math.sqrt(_AREA_PX / (size[0] * size[1])))
        self.size = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        self.frame_count = 0
        self._stride = 1
        self._shots: list[_Shot] = []

    def add(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        """Take in the next frame with its E results."""
        if self.frame_count % self._stride == 0:
            if len(self._shots) == _MOST:
                del self._shots[1::2]
                self._stride *= 2
            self._shots.append(self._shot(frame, results))
        self.frame_count += 1

    def document(self) -> dict[str, Any]:
        """For the page's script: JSON values, a list entry a frame that is held."""
        document = {
            "size": list(self.size),
            "positions": [shot.position for shot in self._shots],
            "indices": [shot.frame_index for shot in self._shots],
            "times": [rounded(shot.time_s) for shot in self._shots],
            "pictures": [jpeg_uri(shot.picture) for shot in self._shots],
            "masks": [shot.masks for shot in self._shots],
            "tracks": [shot.tracks for shot in self._shots],
        }
        if self.has_candidates:
            document["candidates"] = [
                [None if held is None else [list(vars(one).values()) for one in held] for held in shot.candidates]
                for shot in self._shots
            ]
        return document

    @property
    def has_candidates(self) -> bool:
        """On some frame that is held it is known what the image model held possible."""
        return any(held is not None for shot in self._shots for held in shot.candidates)

    @property
    def stride(self) -> int:
        """Every how many of the frames is held."""
        return self._stride

    def _shot(self, frame: Frame, results: Sequence[FrameResult]) -> _Shot:
        height, width = self.size
        small = frame.image
        if self.size != frame.size:
            small = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA)
        return _Shot(
            self.frame_count,
            frame.index,
            frame.time_s,
            jpeg_bytes(small, _QUALITY),
            [self._path(result.mask) for result in results],
            [[(i, self._path(mask)) for i, mask in sorted(r.track_masks.items()) if mask.any()] for r in results],
            [self._held(result) for result in results],
        )

    def _held(self, result: FrameResult) -> list[_Held] | None:
        return None if result.candidates is None else [self._candidate(one, result) for one in result.candidates]

    def _candidate(self, one: Candidate, result: FrameResult) -> _Held:
        path = self._path(one.mask, coarse=True)
        return _Held(_percent(one.likelihood), _percent(one.quality), is_taken(one, result), path)

    def _path(self, mask: np.ndarray, coarse: bool = False) -> str:
        """The outlines of a mask (H, W) bool as an SVG path, holes too (to be filled by even and odd)."""
        height, width = self.size
        # Twice as fine as the picture: so edges are smooth when the browser enlarges it.
        shrinks = mask.shape[1] > 2 * width
        mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        fine = cv2.resize(mask.astype(np.float32), (2 * width, 2 * height), interpolation=mode)
        inside = np.asarray(fine >= 0.5).astype(np.uint8)
        borders, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        parts = []
        for border in borders:
            if coarse:
                border = cv2.approxPolyDP(border, 2 * _COARSE_PX, closed=True)
            points = " ".join(f"{x / 2:g} {y / 2:g}" for x, y in border[:, 0].tolist())
            parts.append(f"M{points}Z")
        return "".join(parts)


def is_taken(candidate: Candidate, result: FrameResult) -> bool:
    """A candidate of a result is a track that is shown; without tracks, most of it is in the mask, which may have
    been put together."""
    shown = list(result.track_masks.values()) or [result.mask & candidate.mask]
    return bool(candidate.mask.any()) and any(_iou(candidate.mask, mask) >= _TAKEN for mask in shown)


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    intersection, union = overlap(one, other)
    return intersection / union


def _percent(share: float) -> int:
    return round(100 * rounded(share))
