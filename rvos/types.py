"""The types that cross a border of `rvos`. Frozen, checked at birth; numpy only.

Sizes are always (height, width); `mask` is bool; `_s` seconds, `_px` pixels; `*_index` a position, `*_id` an identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from image_core.errors import RvosError


class VideoError(RvosError):
    """A source that cannot be opened, or that breaks while it is read."""


class OutputError(RvosError):
    """An output folder that cannot be written, is in use, or holds another run."""


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a source before its frames are read.

    source: as the user wrote it; size: (height, width) as displayed, after rotation, in stored pixels (a pixel aspect
    ratio is reported, not applied); rate: mean frames per second, None when unknown; frame_count: what the container
    declares, None when it declares nothing; it may lie: only reading tells; duration_s likewise;
    codec: name of the decoder, "" for pictures; rotation_deg: applied already, counter-clockwise;
    pixel_aspect: width / height of a pixel; stream_index: which video stream, counted among video streams.
    """

    source: str
    size: tuple[int, int]
    rate: float | None = None
    frame_count: int | None = None
    duration_s: float | None = None
    codec: str = ""
    rotation_deg: int = 0
    pixel_aspect: float = 1.0
    stream_index: int = 0

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(f"VideoInfo.size: came {self.size}, wanted (height, width) of at least 1 px")


@dataclass(frozen=True)
class Frame:
    """One picture of a video. index: 0-based position in decoding order; time_s: seconds, strictly increasing;
    image: (H, W, 3) uint8 RGB."""

    index: int
    time_s: float
    image: np.ndarray

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"Frame.image: came {self.image.dtype} {self.image.shape}, wanted uint8 (H, W, 3)")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True)
class FrameResult:
    """What one expression means on one frame.

    mask: (H, W) bool at video size, all False when not present; score and presence: [0, 1], confidence in the mask and
    calibrated probability that the target is visible; track_masks: object id -> (H, W) bool, for trackers that keep
    several objects apart (their union is `mask`).
    """

    frame_index: int
    time_s: float
    expression_index: int
    mask: np.ndarray
    score: float
    presence: float
    track_masks: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(f"FrameResult.mask: came {self.mask.dtype} {self.mask.shape}, wanted bool (H, W)")

    @property
    def present(self) -> bool:
        """The mask is not empty."""
        return bool(self.mask.any())


@dataclass(frozen=True)
class FrameRecord:
    """A `FrameResult` as a line of `frames.jsonl`: the mask as a COCO RLE ({size, counts}), the box as
    [x0, y0, x1, y1) pixels, or None when not present."""

    frame_index: int
    time_s: float
    expression_index: int
    present: bool
    score: float
    presence: float
    box_xyxy: tuple[int, int, int, int] | None
    rle: dict[str, Any]


@dataclass(frozen=True)
class VideoResult:
    """Everything `segment` found: E expressions on T frames, T * E records in the order frame, expression."""

    info: VideoInfo
    expressions: tuple[str, ...]
    records: Sequence[FrameRecord]

    def __post_init__(self) -> None:
        if self.expressions and len(self.records) % len(self.expressions):
            came, wanted = len(self.records), len(self.expressions)
            raise ValueError(f"VideoResult: came {came} records, wanted a multiple of {wanted}")

    @property
    def frame_count(self) -> int:
        """T, the frames that were read."""
        return len(self.records) // max(1, len(self.expressions))

    def record(self, frame_index: int, expression_index: int = 0) -> FrameRecord:
        """The record of one frame and expression. Raises `IndexError` when it is not there."""
        return self.records[frame_index * len(self.expressions) + expression_index]
