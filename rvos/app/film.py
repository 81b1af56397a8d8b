"""The film of a visitor: a file in the visit's own folder, that is read by its frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from threading import Lock

from image_core.errors import DataError
from rvos.app.limits import Limits
from rvos.types import Frame, VideoError
from rvos.video.reader import open_video

_KEPT_FRAMES = 6
_READ_PAST = 12
"""Frames that are rather read past than sought."""


class Film:
    """A video file that lies within the limits.

    path: where it lies, which nobody is told; name: as its owner calls it. Raises `DataError` for what is no film, or
    beyond the limits; the message has the name in the place of the path.
    """

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        self._path = path
        self.name = name
        limits.check_size(path.stat().st_size, name)
        with self._named_errors():
            self._video = open_video(path, prefetch=0)  # it holds no file between passes
            self.info = replace(self._video.info, source=name)
            limits.check_film(self.info, self.info.frame_count or 0, name)  # what is declared, before it is counted
            self.frame_count = self._video.count_frames()
        limits.check_film(self.info, self.frame_count, name)
        self._lock = Lock()
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._following: Iterator[Frame] | None = None
        self._next = 0
        self._was_asked = False

    def frame(self, index: int) -> Frame:
        """Frame `index`; the one that follows it is had without seeking. Raises `DataError` for one that is not there,
        or cannot be read."""
        with self._lock:
            self._was_asked = True
            if index not in self._frames:
                self._keep(self._read(index))
            self._frames.move_to_end(index)
            return self._frames[index]

    def rest(self) -> None:
        """Give back what is held for the next frame, unless one was asked for since this was last called."""
        with self._lock:
            if not self._was_asked:
                self._following = None
            self._was_asked = False

    def _keep(self, frame: Frame) -> None:
        self._frames[frame.index] = frame
        while len(self._frames) > _KEPT_FRAMES:
            self._frames.popitem(last=False)

    def _read(self, index: int) -> Frame:
        refusal = DataError(f"'{self.name}': expected a frame from 0 to {self.frame_count - 1}, got {index}")
        if not 0 <= index < self.frame_count:
            raise refusal
        following, self._following = self._following, None  # where reading breaks nothing follows
        with self._named_errors():
            if following is None or not self._next <= index <= self._next + _READ_PAST:
                following, self._next = self._video.frames_from(index), index
            frame = next(islice(following, index - self._next, None), None)
        if frame is None:  # the header says more than there is
            raise refusal
        self._following, self._next = following, index + 1
        return frame

    @contextmanager
    def frames(self, start: int = 0) -> Iterator[Iterator[Frame]]:
        """All frames from `start` on, in order. Taking one raises `DataError` where the film breaks."""
        with self._named_errors():
            video = open_video(self._path, prefetch=2)
        with video:
            yield self._taken(video.frames_from(start))

    def _taken(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        while True:
            with self._named_errors():
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except VideoError as error:
            raise DataError(str(error).replace(str(self._path), self.name)) from error
