"""What a file of annotation says of a video: targets, and where each is on which frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from image_core.errors import DataError
from image_core.geometry.rle import decode_rle, encode_rle
from rvos.types import Frame, FrameResult, Target


@dataclass(frozen=True)
class Annotations:
    """Masks by frame and target; where there is none, the target is absent."""

    path: Path
    targets: tuple[Target, ...]
    #: (index of the frame in the video, index of the target) -> COCO RLE.
    masks: Mapping[tuple[int, int], dict]
    #: The same keys -> confidence in [0, 1]; 1 where it is not told.
    scores: Mapping[tuple[int, int], float] = field(default_factory=dict)

    def results(self, frame: Frame) -> list[FrameResult]:
        """The E results of a frame. Raises `DataError` for masks of another size than the video."""
        found = []
        for target in self.targets:
            key = (frame.index, target.index)
            mask = decode_rle(self.masks[key]) if key in self.masks else np.zeros(frame.size, bool)
            if mask.shape != frame.size:
                raise DataError(
                    f"{self.path}: expected masks of {frame.size}, the size of the video, got {mask.shape} on frame "
                    f"{frame.index}: name the video that they were made on"
                )
            there = bool(mask.any())
            score = self.scores.get(key, 1.0) if there else 0.0
            found.append(
                FrameResult(
                    frame.index, frame.time_s, target.index, mask, score, float(there), object_id=target.object_id
                )
            )
        return found

    def check(self, frame_count: int) -> None:
        """Raise `DataError` where a mask lies on a frame that a video of `frame_count` frames does not have."""
        last = max((index for index, _ in self.masks), default=-1)
        if last >= frame_count:
            raise DataError(
                f"{self.path}: expected masks on the {frame_count} frames of the video, got one on frame {last}: name "
                "the video that they were made on"
            )


class Gathered:
    """Masks as they are found in a file; several of one target on one frame become one."""

    def __init__(self) -> None:
        self.masks: dict[tuple[int, int], dict] = {}
        self.scores: dict[tuple[int, int], float] = {}

    def add(self, frame_index: int, target_index: int, mask: np.ndarray, score: float = 1.0) -> None:
        """Take in (H, W) bool. Raises `ValueError` where two masks of a frame differ in size."""
        key = (frame_index, target_index)
        if key in self.masks:
            before = decode_rle(self.masks[key])
            if before.shape != mask.shape:
                raise ValueError(f"expected masks of one size, got {before.shape} and {mask.shape}")
            mask, score = before | mask, max(score, self.scores[key])
        self.masks[key], self.scores[key] = encode_rle(mask), score
