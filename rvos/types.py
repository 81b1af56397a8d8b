"""The types that cross a border of `rvos`. Frozen, checked at birth; numpy only.

Sizes are always (height, width); `mask` is bool; `_s` seconds, `_px` pixels; `*_index` a position, `*_id` an identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from image_core.errors import OutputError as OutputError
from image_core.errors import RvosError


class VideoError(RvosError):
    """A source that cannot be opened, or that breaks while it is read."""


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
class Target:
    """What is followed through a video: what an expression names, or an object that mask prompts show.

    index: its position among the targets of a run, in whose order results come; name: the expression, or "object 3";
    object_id: the object's id in its prompts, None for an expression.
    """

    index: int
    name: str
    object_id: int | None = None

    @property
    def label(self) -> int:
        """Its id in a picture of ids: an object's own, an expression's index + 1; 0 is nothing."""
        return self.index + 1 if self.object_id is None else self.object_id


def expression_targets(expressions: Sequence[str]) -> tuple[Target, ...]:
    """A target an expression."""
    return tuple(Target(index, expression) for index, expression in enumerate(expressions))


def object_targets(object_ids: Sequence[int]) -> tuple[Target, ...]:
    """A target an object, in the order given."""
    return tuple(Target(index, f"object {object_id}", object_id) for index, object_id in enumerate(object_ids))


@dataclass(frozen=True)
class FrameResult:
    """Where one target is on one frame.

    expression_index, object_id: the target's `index` and `object_id`; mask: (H, W) bool at video size, all False when
    not present; score and presence: [0, 1], confidence in the mask and probability that the target is visible
    (calibrated where it comes from an image model); track_masks: track id -> (H, W) bool, for trackers that keep the
    members of an expression apart (their union is `mask`).
    """

    frame_index: int
    time_s: float
    expression_index: int
    mask: np.ndarray
    score: float
    presence: float
    track_masks: dict[int, np.ndarray] = field(default_factory=dict)
    object_id: int | None = None

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(f"FrameResult.mask: came {self.mask.dtype} {self.mask.shape}, wanted bool (H, W)")

    @property
    def present(self) -> bool:
        """The mask is not empty."""
        return bool(self.mask.any())


@dataclass(frozen=True)
class TrackRecord:
    """One entry of `FrameResult.track_masks` as `FrameRecord` keeps it."""

    track_id: int
    box_xyxy: tuple[int, int, int, int] | None
    rle: dict[str, Any]


@dataclass(frozen=True)
class FrameRecord:
    """A `FrameResult` as a line of `frames.jsonl`: masks as COCO RLE ({size, counts}), boxes as [x0, y0, x1, y1)
    pixels, or None where the mask is empty; tracks in the order of their ids."""

    frame_index: int
    time_s: float
    expression_index: int
    present: bool
    score: float
    presence: float
    box_xyxy: tuple[int, int, int, int] | None
    rle: dict[str, Any]
    tracks: tuple[TrackRecord, ...] = ()
    object_id: int | None = None


@dataclass(frozen=True)
class VideoResult:
    """Everything found on T frames of E targets: T * E records in the order frame, target."""

    info: VideoInfo
    targets: tuple[Target, ...]
    records: Sequence[FrameRecord]

    def __post_init__(self) -> None:
        if self.targets and len(self.records) % len(self.targets):
            came, wanted = len(self.records), len(self.targets)
            raise ValueError(f"VideoResult: came {came} records, wanted a multiple of {wanted}")

    @property
    def frame_count(self) -> int:
        """T, the frames that were looked at."""
        return len(self.records) // max(1, len(self.targets))

    def record(self, frame_index: int, target_index: int = 0) -> FrameRecord:
        """The record of the `frame_index`-th frame that was looked at and of one target. Raises `IndexError`."""
        return self.records[frame_index * len(self.targets) + target_index]
