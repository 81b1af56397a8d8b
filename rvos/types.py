"""The public types of `rvos`: frozen dataclasses that check their values when they are created, with numpy arrays only.
The arrays are read-only, since trackers read a frame and its masks again with the next frame; to draw on one, `.copy()`
it.

Sizes are always (height, width); `mask` is bool; `_s` seconds, `_px` pixels; `*_index` a position, `*_id` an identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from image_core.answer import Candidate
from image_core.errors import OutputError as OutputError
from image_core.errors import RvosError


class VideoError(RvosError):
    """A source that cannot be opened, or is damaged."""


@dataclass(frozen=True)
class StoredImages:
    """Paths of images in the order given, without the rotation in their metadata. The annotations of datasets are for
    these pixels."""

    paths: tuple[Path, ...]


@dataclass(frozen=True)
class VideoInfo:
    """The metadata of a source, known before its frames are read. Raises `ValueError` for a size below 1 px."""

    #: As the user wrote it.
    source: str
    #: (height, width) as displayed, after rotation, in stored pixels: a pixel aspect ratio is reported, not applied.
    size: tuple[int, int]
    #: Mean frames per second, None when unknown.
    rate: float | None = None
    #: As declared by the container, which may be wrong; None when it declares nothing.
    frame_count: int | None = None
    #: As declared, in the same way.
    duration_s: float | None = None
    #: Name of the decoder, "" for images.
    codec: str = ""
    #: Counter-clockwise, applied already.
    rotation_deg: int = 0
    #: Width / height of a pixel.
    pixel_aspect: float = 1.0
    #: Which video stream, counted among video streams.
    stream_index: int = 0

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(f"VideoInfo.size: expected (height, width) of at least 1 px, got {self.size}")


def _read_only(array: np.ndarray) -> np.ndarray:
    """A read-only view of the same memory."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Frame:
    """One image of a video. Raises `ValueError` for an image of another shape or dtype."""

    #: 0-based position in display order.
    index: int
    #: Seconds, strictly increasing through the video.
    time_s: float
    #: (H, W, 3) uint8 RGB, read-only.
    image: np.ndarray

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"Frame.image: expected uint8 (H, W, 3), got {self.image.dtype} {self.image.shape}")
        object.__setattr__(self, "image", _read_only(self.image))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True)
class Target:
    """What is followed through a video: the object that an expression means, or the object of mask prompts."""

    #: Its position among the targets of a run, which is the order of results.
    index: int
    #: The text of the expression, or "object 3".
    name: str
    #: The object's id in its prompts, None for an expression.
    object_id: int | None = None

    @property
    def label(self) -> int:
        """Its id in an image of ids: that of an object, or the index of an expression + 1; 0 is background."""
        return self.index + 1 if self.object_id is None else self.object_id


def expression_targets(expressions: Sequence[str]) -> tuple[Target, ...]:
    """One target per expression."""
    return tuple(Target(index, expression) for index, expression in enumerate(expressions))


def object_targets(object_ids: Sequence[int]) -> tuple[Target, ...]:
    """One target per object, in the order given."""
    return tuple(Target(index, f"object {object_id}", object_id) for index, object_id in enumerate(object_ids))


@dataclass(frozen=True)
class FrameResult:
    """Where one target is on one frame. Raises `ValueError` for a mask of another rank or dtype."""

    #: From 0, in the source.
    frame_index: int
    #: When the frame is shown.
    time_s: float
    #: The target's `index`.
    expression_index: int
    #: (H, W) bool at video size, read-only; all False when not present.
    mask: np.ndarray
    #: Confidence in the mask, [0, 1].
    score: float
    #: Probability that the target is visible, [0, 1]; calibrated where it comes from an image model.
    presence: float
    #: Track id -> (H, W) bool, from trackers that keep the members of an expression apart; their union is `mask`.
    track_masks: dict[int, np.ndarray] = field(default_factory=dict)
    #: The target's `object_id`.
    object_id: int | None = None
    #: The candidates of the image model on this frame, the likeliest first, (H, W) at video size. None if it was not
    #: asked, or if the session keeps no candidates.
    candidates: tuple[Candidate, ...] | None = None

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(f"FrameResult.mask: expected bool (H, W), got {self.mask.dtype} {self.mask.shape}")
        object.__setattr__(self, "mask", _read_only(self.mask))
        object.__setattr__(self, "track_masks", {i: _read_only(mask) for i, mask in self.track_masks.items()})

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
class CandidateRecord:
    """One of `FrameResult.candidates` as `FrameRecord` keeps it."""

    likelihood: float
    quality: float
    rle: dict[str, Any]


@dataclass(frozen=True)
class FrameRecord:
    """A `FrameResult` as a line of `frames.jsonl`. Fields without a comment are as in `FrameResult`."""

    frame_index: int
    time_s: float
    expression_index: int
    #: The mask is not empty.
    present: bool
    score: float
    presence: float
    #: [x0, y0, x1, y1) pixels, None where the mask is empty.
    box_xyxy: tuple[int, int, int, int] | None
    #: The mask as COCO RLE: {size, counts}.
    rle: dict[str, Any]
    #: In the order of their ids.
    tracks: tuple[TrackRecord, ...] = ()
    object_id: int | None = None
    candidates: tuple[CandidateRecord, ...] | None = None


@dataclass(frozen=True)
class VideoResult:
    """All results of T frames and E targets: T * E records in the order frame, target.

    Raises `ValueError` if the number of records is no multiple of E.
    """

    info: VideoInfo
    targets: tuple[Target, ...]
    records: Sequence[FrameRecord]

    def __post_init__(self) -> None:
        if self.targets and len(self.records) % len(self.targets):
            raise ValueError(
                f"VideoResult: expected a multiple of {len(self.targets)} records, got {len(self.records)}"
            )

    @property
    def frame_count(self) -> int:
        """T, the frames that were read."""
        return len(self.records) // max(1, len(self.targets))

    def record(self, frame_index: int, target_index: int = 0) -> FrameRecord:
        """The record of the `frame_index`-th frame that was read and of one target. Raises `IndexError`."""
        return self.records[frame_index * len(self.targets) + target_index]
