"""Masks that the user gave for some frames of a video, and checks that they fit the video."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar

from image_core.errors import DataError
from rvos.types import Frame, VideoError, VideoInfo


class UserMasks(ABC):
    """Masks for some frames of a video, at least one, all of one size."""

    #: The name of the masks in messages: "masks" or "corrections".
    kind: ClassVar[str]

    @property
    @abstractmethod
    def entries(self) -> Sequence[tuple[int, tuple[int, int] | None]]:
        """(position of the frame in the video, (height, width) of the mask in pixels) of each entry, by rising frame,
        counted from 0. The size is None for an entry without a mask, which says that the target is absent."""

    @property
    def _sizes(self) -> list[tuple[int, tuple[int, int]]]:
        return [(index, size) for index, size in self.entries if size is not None]

    def check_one_size(self) -> None:
        """Raise `DataError` if the masks differ in size."""
        sizes = self._sizes
        for index, size in sizes[1:]:
            if size != sizes[0][1]:
                raise DataError(
                    f"{self.kind}: expected one size, that of the video, got {_px(sizes[0][1])} for frame "
                    f"{sizes[0][0]} and {_px(size)} for frame {index}"
                )

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise `DataError` unless the frames have the masks' size."""
        for _, mask_size in self._sizes:
            if size != mask_size:
                raise DataError(
                    f"{self.kind}: expected the video's {_px(size)}, as it is displayed, got {_px(mask_size)}: resize "
                    "them with nearest neighbour"
                )

    def check_length(self, info: VideoInfo, count_frames: Callable[[], int]) -> None:
        """Raise `VideoError` if a mask is for a frame past the end.

        The number of frames in a header may be too low, so in that case they are counted. If it is missing or too high,
        `check_frames` finds out at the end.
        """
        last = self.entries[-1][0]
        if info.frame_count is not None and last >= info.frame_count and last >= (count := count_frames()):
            raise VideoError(self._past_the_end(info.source, last, count - 1))

    def check_frames(self, frames: Iterable[Frame], source: str) -> Iterator[Frame]:
        """Yield the frames. Raises `VideoError` if a frame with a mask is not among them: before the next frame if the
        sampling left it out, at the end if the video ended too early."""
        remaining, last = sorted({index for index, _ in self.entries}), -1
        for frame in frames:
            if remaining and remaining[0] < frame.index:
                raise VideoError(
                    f"'{source}': expected {self.kind} for frames that the sampling keeps, got one for frame "
                    f"{remaining[0]}: give another frame, or --set sampling=all"
                )
            if remaining and remaining[0] == frame.index:
                remaining.pop(0)
            last = frame.index
            yield frame
        if remaining:
            raise VideoError(self._past_the_end(source, remaining[-1], last))

    def _past_the_end(self, source: str, index: int, last: int) -> str:
        return f"'{source}': expected {self.kind} for frames 0 to {last}, the last one, got one for frame {index}"


def _px(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]} px (height x width)"
