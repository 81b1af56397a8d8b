"""The frames of a film that a page holds: small pictures, and masks as outlines that a browser fills."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from rvos.export.jpeg import jpeg_bytes, jpeg_uri
from rvos.export.records import rounded
from rvos.types import Frame, FrameResult

_MOST = 160
_AREA_PX = 640 * 360
_QUALITY = 72


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
        return {
            "size": list(self.size),
            "positions": [shot.position for shot in self._shots],
            "indices": [shot.frame_index for shot in self._shots],
            "times": [rounded(shot.time_s) for shot in self._shots],
            "pictures": [jpeg_uri(shot.picture) for shot in self._shots],
            "masks": [shot.masks for shot in self._shots],
            "tracks": [shot.tracks for shot in self._shots],
        }

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
        )

    def _path(self, mask: np.ndarray) -> str:
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
            points = " ".join(f"{x / 2:g} {y / 2:g}" for x, y in border[:, 0].tolist())
            parts.append(f"M{points}Z")
        return "".join(parts)
