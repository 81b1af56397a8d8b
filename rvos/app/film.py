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


class Film:
    """A video file that lies within the limits.

    path: where it lies, which nobody is told; name: as its owner calls it. Raises `DataError` for what is no film, or
    beyond the limits; the message has the name in the place of the path.
    """

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        self._path = path
        self.name = name
        limits.check_size(path.stat().st_size, name)
        with self._named_errors(), open_video(path, prefetch=0) as video:
            self.info = replace(video.info, source=name)
            limits.check_film(self.info, self.info.frame_count or 0, name)  # what is declared, before it is counted
            self.frame_count = video.count_frames()
        limits.check_film(self.info, self.frame_count, name)
        self._lock = Lock()
        self._frames: OrderedDict[int, Frame] = OrderedDict()

    def frame(self, index: int) -> Frame:
        """Frame `index`. Raises `DataError` for one that is not there, or cannot be read."""
        with self._lock:
            if index not in self._frames:
                self._frames[index] = self._read(index)
                while len(self._frames) > _KEPT_FRAMES:
                    self._frames.popitem(last=False)
            self._frames.move_to_end(index)
            return self._frames[index]

    def _read(self, index: int) -> Frame:
        refusal = DataError(f"'{self.name}': expected a frame from 0 to {self.frame_count - 1}, got {index}")
        if not 0 <= index < self.frame_count:
            raise refusal
        with self._named_errors(), open_video(self._path, prefetch=0) as video:
            try:
                return video[index]
            except IndexError as error:  # the header says more than there is
                raise refusal from error

    @contextmanager
    def frames(self, start: int = 0) -> Iterator[Iterator[Frame]]:
        """All frames from `start` on, in order. Taking one raises `DataError` where the film breaks."""
        with self._named_errors():
            video = open_video(self._path, prefetch=2)
        with video:
            yield islice(self._taken(iter(video)), start, None)

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
