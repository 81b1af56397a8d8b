"""What a visitor of the page may bring, and how long it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from image_core.errors import DataError
from image_core.ranges import Count, Range, check_ranges
from rvos.types import VideoInfo


@dataclass(frozen=True)
class Limits:
    """Every limit of the page. Raises `ConfigError` for values out of their ranges, all in one."""

    #: Megabytes of a file.
    megabytes: Count = 200
    #: Length of a film in seconds, ...
    seconds: Annotated[float, Range(1)] = 60.0
    #: ... and in frames.
    frames: Count = 1800
    #: Millions of pixels of a frame.
    megapixels: Annotated[float, Range(0.001)] = 2.1
    #: Expressions at a time.
    expressions: Count = 6
    #: Letters of an expression.
    letters: Count = 200
    #: Visitors whose films are kept at a time.
    visits: Count = 40
    #: Films that are watched at a time; the others wait in the order in which they came.
    at_once: Count = 2
    #: Minutes after the last sign of a visitor, after which all of the visit is deleted.
    kept_minutes: Annotated[float, Range(0.1)] = 60.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def told(self) -> str:
        """The limits of a film, in words."""
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

    def check_film(self, info: VideoInfo, frame_count: int, name: str) -> None:
        """Raise `DataError` for a film that is too long or too large."""
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
        """Raise `DataError` for none, too many, or one that is too long."""
        if not expressions:
            raise DataError("expressions: expected one per line, such as the dog on the left, got none")
        if len(expressions) > self.expressions:
            raise DataError(f"expressions: expected at most {self.expressions}, got {len(expressions)}: leave some out")
        if any(len(text) > self.letters for text in expressions):
            raise DataError(f"expressions: expected at most {self.letters} characters each: shorten them")
