"""Frames of a video for which the user gave masks, and checks that masks and video fit together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar

from image_core.errors import DataError
from rvos.types import Frame, VideoError, VideoInfo


class MarkedFrames(ABC):
    """Marks on some frames of a video, at least one; their masks are of one size."""

    #: What the masks are called in messages.
    called: ClassVar[str]

    @property
    @abstractmethod
    def marks(self) -> Sequence[tuple[int, tuple[int, int] | None]]:
        """For each mark, by rising frame: the position of its frame in the video (0-based), and the (height, width) in
        pixels of its mask, None if it has none."""

    @property
    def _sizes(self) -> list[tuple[int, tuple[int, int]]]:
        return [(index, size) for index, size in self.marks if size is not None]

    def check_one_size(self) -> None:
        """Raise `DataError` where masks differ in size."""
        sizes = self._sizes
        for index, size in sizes[1:]:
            if size != sizes[0][1]:
                raise DataError(
                    f"{self.called}: expected one size, that of the video, got {_px(sizes[0][1])} for frame "
                    f"{sizes[0][0]} and {_px(size)} for frame {index}"
                )

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise `DataError` unless the frames have the masks' size."""
        for _, own in self._sizes:
            if size != own:
                raise DataError(
                    f"{self.called}: expected the video's {_px(size)}, as it is displayed, got {_px(own)}: resize "
                    "them, nearest neighbour"
                )

    def check_length(self, info: VideoInfo, count_frames: Callable[[], int]) -> None:
        """Raise `VideoError` if a mask is for a frame past the end.

        The number of frames in a header may be too low, so in that case they are counted. If it is missing or too high,
        `guard` finds out at the end.
        """
        last = self.marks[-1][0]
        if info.frame_count is not None and last >= info.frame_count and last >= (count := count_frames()):
            raise VideoError(self._past_the_end(info.source, last, count - 1))

    def guard(self, frames: Iterable[Frame], source: str) -> Iterator[Frame]:
        """The frames. Raises `VideoError` if a frame that has a mask is not among them: before the next frame if it was
        left out, at the end if the video ended too early."""
        waiting, last = sorted({index for index, _ in self.marks}), -1
        for frame in frames:
            if waiting and waiting[0] < frame.index:
                raise VideoError(
                    f"'{source}': expected {self.called} for frames that the sampling keeps, got one for frame "
                    f"{waiting[0]}: give another frame, or --set sampling=all"
                )
            if waiting and waiting[0] == frame.index:
                waiting.pop(0)
            last = frame.index
            yield frame
        if waiting:
            raise VideoError(self._past_the_end(source, waiting[-1], last))

    def _past_the_end(self, source: str, index: int, last: int) -> str:
        return f"'{source}': expected {self.called} for frames 0 to {last}, the last one, got one for frame {index}"


def _px(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]} px (height x width)"
