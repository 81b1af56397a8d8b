"""The video of a visitor: a file in the folder of the visit, and access to its frames."""

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

_CACHED_FRAMES = 6
_MAX_SKIP = 12
"""A frame at most so many frames ahead is reached by decoding, a later one by seeking."""


class UploadedVideo:
    """A video file within the limits.

    path: where the file is, which is not shown to visitors; name: the name that its owner gave it. Raises `DataError`
    for a file that is not a video or exceeds a limit. Messages contain the name and not the path.
    """

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        self._path = path
        self.name = name
        limits.check_size(path.stat().st_size, name)
        with self._errors_with_name():
            self._video = open_video(path, prefetch=0)  # keeps no file open between reads
            self.info = replace(self._video.info, source=name)
            limits.check_video(self.info, self.info.frame_count or 0, name)  # the header's count, before counting
            self.frame_count = self._video.count_frames()
        limits.check_video(self.info, self.frame_count, name)
        self._lock = Lock()
        self._cache: OrderedDict[int, Frame] = OrderedDict()
        self._decoder: Iterator[Frame] | None = None
        self._next_index = 0
        self._recently_used = False

    def frame(self, index: int) -> Frame:
        """Frame `index`. Reading frames in order needs no seeking. Raises `DataError` for a frame that does not exist
        or cannot be decoded."""
        with self._lock:
            self._recently_used = True
            if index not in self._cache:
                self._add_to_cache(self._read(index))
            self._cache.move_to_end(index)
            return self._cache[index]

    def release_idle(self) -> None:
        """Close the decoder if no frame was requested since the last call."""
        with self._lock:
            if not self._recently_used:
                self._decoder = None
            self._recently_used = False

    def _add_to_cache(self, frame: Frame) -> None:
        self._cache[frame.index] = frame
        while len(self._cache) > _CACHED_FRAMES:
            self._cache.popitem(last=False)

    def _read(self, index: int) -> Frame:
        out_of_range = DataError(f"'{self.name}': expected a frame from 0 to {self.frame_count - 1}, got {index}")
        if not 0 <= index < self.frame_count:
            raise out_of_range
        decoder, self._decoder = self._decoder, None  # a decoder that raised is not used again
        with self._errors_with_name():
            if decoder is None or not self._next_index <= index <= self._next_index + _MAX_SKIP:
                decoder, self._next_index = self._video.frames_from(index), index
            frame = next(islice(decoder, index - self._next_index, None), None)
        if frame is None:  # the file has fewer frames than its header says
            raise out_of_range
        self._decoder, self._next_index = decoder, index + 1
        return frame

    @contextmanager
    def frames(self, start: int = 0) -> Iterator[Iterator[Frame]]:
        """All frames from `start` on, in order. The iterator raises `DataError` at a frame that cannot be decoded."""
        with self._errors_with_name():
            video = open_video(self._path, prefetch=2)
        with video:
            yield self._iterate(video.frames_from(start))

    def _iterate(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        while True:
            with self._errors_with_name():
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    @contextmanager
    def _errors_with_name(self) -> Iterator[None]:
        """Turn a `VideoError` into a `DataError` whose message has the name instead of the path."""
        try:
            yield
        except VideoError as error:
            raise DataError(str(error).replace(str(self._path), self.name)) from error
