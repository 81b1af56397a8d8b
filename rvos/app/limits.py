"""The limits of the web page: what a visitor may upload, and how long it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from image_core.errors import DataError
from image_core.ranges import Count, Range, check_ranges
from rvos.types import VideoInfo


@dataclass(frozen=True)
class Limits:
    """The limits of the web page. Raises one `ConfigError` that names all values out of their ranges."""

    #: Largest file, in megabytes.
    megabytes: Count = 200
    #: Longest video, in seconds.
    seconds: Annotated[float, Range(1)] = 60.0
    #: Longest video, in frames.
    frames: Count = 1800
    #: Largest frame, in millions of pixels.
    megapixels: Annotated[float, Range(0.001)] = 2.1
    #: Most expressions at one time.
    expressions: Count = 6
    #: Most characters of an expression.
    characters: Count = 200
    #: Most visitors whose videos are kept at one time.
    visits: Count = 40
    #: Videos that are processed at the same time. The others wait, first come, first served.
    at_once: Count = 2
    #: A visit is deleted this many minutes after its last request.
    kept_minutes: Annotated[float, Range(0.1)] = 60.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def video_limits(self) -> str:
        """The limits of a video, as text."""
        return (
            f"up to {self.megabytes} MB, {self.seconds:g} seconds, {self.frames} frames and {self.megapixels:g} "
            "megapixels per frame"
        )

    def check_size(self, size_bytes: int, name: str) -> None:
        """Raise `DataError` for a file that is too large."""
        if size_bytes > self.megabytes * 1_000_000:
            raise DataError(
                f"'{name}': expected at most {self.megabytes} MB, got {size_bytes / 1e6:.0f}: shorten it, or scale it "
                "down"
            )

    def check_video(self, info: VideoInfo, frame_count: int, name: str) -> None:
        """Raise `DataError` for a video that is too long, or whose frames are too large."""
        height, width = info.size
        if height * width > self.megapixels * 1e6:
            raise DataError(
                f"'{name}': expected frames of at most {self.megapixels:g} megapixels, got {width} x {height}: scale "
                "it down"
            )
        seconds = frame_count / info.rate if info.rate else 0.0
        if frame_count > self.frames or seconds > self.seconds:
            raise DataError(
                f"'{name}': expected at most {self.seconds:g} s and {self.frames} frames, got {seconds:.1f} s and "
                f"{frame_count} frames: shorten it"
            )

    def check_expressions(self, expressions: tuple[str, ...]) -> None:
        """Raise `DataError` for no expression, too many, or one that is too long."""
        if not expressions:
            raise DataError("expressions: expected one per line, such as the dog on the left, got none")
        if len(expressions) > self.expressions:
            raise DataError(f"expressions: expected at most {self.expressions}, got {len(expressions)}: leave some out")
        longest = max(map(len, expressions))
        if longest > self.characters:
            raise DataError(
                f"expressions: expected at most {self.characters} characters each, got {longest}: shorten them"
            )
