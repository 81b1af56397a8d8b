"""Which frames of a video are processed, by their index."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from image_core.errors import ConfigError
from rvos.types import Frame


class FrameReader(Protocol):
    """What sampling needs of a video; `VideoReader` is one."""

    def __iter__(self) -> Iterator[Frame]: ...

    def frames_from(self, index: int) -> Iterator[Frame]:
        """The frames from `index` on, in order."""
        ...

    def read(self, indices: Sequence[int]) -> Iterator[Frame]: ...

    def count_frames(self) -> int: ...


@dataclass(frozen=True)
class Stride:
    """Every `every`-th frame, beginning with the first. Needs no frame count, so cameras can be read."""

    every: int = 1

    def __post_init__(self) -> None:
        check_positive("sampling: stride", self.every)

    def indices(self, frame_count: int) -> range:
        """Positions in a video of `frame_count` frames."""
        return range(0, frame_count, self.every)

    def select(self, video: FrameReader, skip: int = 0) -> Iterator[Frame]:
        """The frames that are read, in order, without the first `skip` of them; they keep their index and time."""
        frames = video.frames_from(skip * self.every) if skip else iter(video)
        return (frame for frame in frames if frame.index % self.every == 0)


@dataclass(frozen=True)
class Uniform:
    """`count` frames: the middles of `count` equal parts of the video; all frames when it has no more than those."""

    count: int

    def __post_init__(self) -> None:
        check_positive("sampling: uniform", self.count)

    def indices(self, frame_count: int) -> range | list[int]:
        """Positions in a video of `frame_count` frames."""
        if frame_count <= self.count:
            return range(frame_count)
        return [(2 * i + 1) * frame_count // (2 * self.count) for i in range(self.count)]

    def select(self, video: FrameReader, skip: int = 0) -> Iterator[Frame]:
        """The frames that are read, in order, without the first `skip` of them. All are counted first: raises
        `VideoError` for a camera."""
        return video.read(self.indices(video.count_frames())[skip:])


Sampling = Stride | Uniform


def parse_sampling(text: str) -> Sampling:
    """`all`, `stride:K` or `uniform:N` with K, N >= 1. Raises `ConfigError`, also if it is not a string."""
    if text == "all":
        return ALL_FRAMES
    match = re.fullmatch(r"(stride|uniform):([0-9]{1,9})", text) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(f"sampling: expected all, stride:K or uniform:N, got {text!r}: K and N are whole numbers")
    return Stride(int(match[2])) if match[1] == "stride" else Uniform(int(match[2]))


def check_positive(name: str, value: int) -> None:
    """Raises `ConfigError` unless `value` is 1 or more."""
    if value < 1:
        raise ConfigError(f"{name}: expected a whole number of 1 or more, got {value}")


ALL_FRAMES = Stride()
