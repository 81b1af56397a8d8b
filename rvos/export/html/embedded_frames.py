"""The frames that a report embeds: small images, and masks as outlines that the browser fills."""

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

_MAX_FRAMES = 160
_AREA_PX = 640 * 360
_QUALITY = 72
_CANDIDATE_TOLERANCE_PX = 0.7
"""Tolerance of the outlines of candidates, in pixels of the image. They are coarse, since there are many."""
_SHOWN_IOU = 0.5
"""A candidate counts as shown if its IoU with a shown mask is at least this."""


@dataclass(frozen=True)
class _EmbeddedCandidate:
    """A candidate as the page contains it."""

    #: In percent, as `quality`.
    likelihood: int
    quality: int
    #: Whether it is a part of the shown mask.
    is_shown: bool
    #: SVG path of its outline.
    path: str


@dataclass(frozen=True)
class _EmbeddedFrame:
    #: Among all processed frames.
    position: int
    frame_index: int
    time_s: float
    jpeg: bytes
    #: One SVG path per target, in pixels of the image.
    masks: list[str]
    #: [track id, path] of each track of each target.
    tracks: list[list[tuple[int, str]]]
    #: The candidates of each target; None if the image model did not run on the frame, or they were not recorded.
    candidates: list[list[_EmbeddedCandidate] | None]


class EmbeddedFrames:
    """Keeps every frame until there are too many, then every second, every fourth, ...: 81 to 160 of a long video."""

    def __init__(self, size: tuple[int, int]) -> None:
        scale = min(1.0, math.sqrt(_AREA_PX / (size[0] * size[1])))
        self.size = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        self.frame_count = 0
        self._stride = 1
        self._frames: list[_EmbeddedFrame] = []

    def add(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        """Add the next frame with its E results."""
        if self.frame_count % self._stride == 0:
            if len(self._frames) == _MAX_FRAMES:
                del self._frames[1::2]
                self._stride *= 2
            self._frames.append(self._embed(frame, results))
        self.frame_count += 1

    def document(self) -> dict[str, Any]:
        """The frames as JSON values for the script of the page: lists with one entry per embedded frame."""
        document = {
            "size": list(self.size),
            "positions": [frame.position for frame in self._frames],
            "indices": [frame.frame_index for frame in self._frames],
            "times": [rounded(frame.time_s) for frame in self._frames],
            "images": [jpeg_uri(frame.jpeg) for frame in self._frames],
            "masks": [frame.masks for frame in self._frames],
            "tracks": [frame.tracks for frame in self._frames],
        }
        if self.has_candidates:
            document["candidates"] = [
                [
                    None if of_target is None else [list(vars(c).values()) for c in of_target]
                    for of_target in frame.candidates
                ]
                for frame in self._frames
            ]
        return document

    @property
    def has_candidates(self) -> bool:
        """Whether some embedded frame has candidates."""
        return any(of_target is not None for frame in self._frames for of_target in frame.candidates)

    @property
    def stride(self) -> int:
        """The distance between two embedded frames, in processed frames."""
        return self._stride

    def _embed(self, frame: Frame, results: Sequence[FrameResult]) -> _EmbeddedFrame:
        height, width = self.size
        small = frame.image
        if self.size != frame.size:
            small = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA)
        return _EmbeddedFrame(
            self.frame_count,
            frame.index,
            frame.time_s,
            jpeg_bytes(small, _QUALITY),
            [self._path(result.mask) for result in results],
            [[(i, self._path(mask)) for i, mask in sorted(r.track_masks.items()) if mask.any()] for r in results],
            [self._embed_candidates(result) for result in results],
        )

    def _embed_candidates(self, result: FrameResult) -> list[_EmbeddedCandidate] | None:
        if result.candidates is None:
            return None
        return [self._embed_candidate(candidate, result) for candidate in result.candidates]

    def _embed_candidate(self, candidate: Candidate, result: FrameResult) -> _EmbeddedCandidate:
        path = self._path(candidate.mask, coarse=True)
        return _EmbeddedCandidate(
            _percent(candidate.likelihood), _percent(candidate.quality), is_shown(candidate, result), path
        )

    def _path(self, mask: np.ndarray, coarse: bool = False) -> str:
        """The outlines of a mask (H, W) bool and of its holes as an SVG path, for the even-odd fill rule."""
        height, width = self.size
        # At twice the resolution of the image, so that edges are smooth when the browser enlarges it.
        shrinks = mask.shape[1] > 2 * width
        mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = cv2.resize(mask.astype(np.float32), (2 * width, 2 * height), interpolation=mode)
        inside = np.asarray(resized >= 0.5).astype(np.uint8)
        borders, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        parts = []
        for border in borders:
            if coarse:
                border = cv2.approxPolyDP(border, 2 * _CANDIDATE_TOLERANCE_PX, closed=True)
            points = " ".join(f"{x / 2:g} {y / 2:g}" for x, y in border[:, 0].tolist())
            parts.append(f"M{points}Z")
        return "".join(parts)


def is_shown(candidate: Candidate, result: FrameResult) -> bool:
    """Whether a candidate is a track that is shown, or, without tracks, whether most of it is in the shown mask, which
    may be a union of candidates."""
    shown = list(result.track_masks.values()) or [result.mask & candidate.mask]
    return bool(candidate.mask.any()) and any(_iou(candidate.mask, mask) >= _SHOWN_IOU for mask in shown)


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    intersection, union = overlap(one, other)
    return intersection / union


def _percent(share: float) -> int:
    return round(100 * rounded(share))
