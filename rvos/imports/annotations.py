"""The annotations of a video, as read from a file: targets, and their masks by frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from image_core.errors import DataError
from image_core.geometry.rle import decode_rle, encode_rle
from rvos.types import FrameResult, Target


@dataclass(frozen=True)
class Annotations:
    """Masks by frame and target. A target without a mask on a frame is absent there."""

    path: Path
    targets: tuple[Target, ...]
    #: (index of the frame in the video, index of the target) -> COCO RLE.
    masks: Mapping[tuple[int, int], dict]
    #: The same keys -> confidence in [0, 1]; 1 where the file has none.
    scores: Mapping[tuple[int, int], float] = field(default_factory=dict)
    #: Number of frames, if the file gives only their order; None if it gives the index of each.
    frames_in_order: int | None = None

    def results(self, frame_index: int, time_s: float, size: tuple[int, int]) -> list[FrameResult]:
        """The E results of a frame. size: (height, width), that of the masks (`check_size`)."""
        results = []
        for target in self.targets:
            key = (frame_index, target.index)
            mask = decode_rle(self.masks[key]) if key in self.masks else np.zeros(size, bool)
            present = bool(mask.any())
            score = self.scores.get(key, 1.0) if present else 0.0
            results.append(
                FrameResult(frame_index, time_s, target.index, mask, score, float(present), object_id=target.object_id)
            )
        return results

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise `DataError` for masks of another size (height, width) than the video's."""
        for (frame_index, _), rle in self.masks.items():
            if tuple(rle["size"]) != size:
                raise DataError(
                    f"{self.path}: expected masks of {size}, the size of the video, got {tuple(rle['size'])} on frame "
                    f"{frame_index}: name the video that they were made on"
                )

    def check_count(self, frame_count: int) -> None:
        """Raise `DataError` where a mask is on a frame that a video of `frame_count` frames does not have, and where
        the file gives only the order of frames and has another number of them."""
        if self.frames_in_order not in (None, frame_count):
            raise DataError(
                f"{self.path}: expected an image for each of the {frame_count} frames of the video, as only their "
                f"order tells which is which, got {self.frames_in_order}: give each image its frame_index"
            )
        last = max((index for index, _ in self.masks), default=-1)
        if last >= frame_count:
            raise DataError(
                f"{self.path}: expected masks on the {frame_count} frames of the video, got one on frame {last}: name "
                "the video that they were made on"
            )


class MaskCollector:
    """Collects the masks in a file; several of one target on one frame become one."""

    def __init__(self) -> None:
        self.masks: dict[tuple[int, int], dict] = {}
        self.scores: dict[tuple[int, int], float] = {}

    def add(self, frame_index: int, target_index: int, mask: np.ndarray, score: float = 1.0) -> None:
        """Add a mask (H, W) bool. Raises `ValueError` where two masks of a frame differ in size."""
        key = (frame_index, target_index)
        if key in self.masks:
            previous = decode_rle(self.masks[key])
            if previous.shape != mask.shape:
                raise ValueError(f"expected masks of one size, got {previous.shape} and {mask.shape}")
            mask, score = previous | mask, max(score, self.scores[key])
        self.masks[key], self.scores[key] = encode_rle(mask), score
