"""`open_video` opens files, folders, arrays and cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import cast

import numpy as np

from image_core.images import is_image_file
from rvos.types import Frame, StoredImages, VideoError, VideoInfo
from rvos.video.av_source import AvSource
from rvos.video.camera import CameraSource
from rvos.video.config import BACKENDS, DAMAGE
from rvos.video.decord_source import DecordSource
from rvos.video.image_folder import list_images
from rvos.video.image_sources import ArraySource, ImageFilesSource
from rvos.video.prefetch import Prefetch
from rvos.video.source import FrameSource, Source, camera_number, path_of


def open_video(
    source: Source,
    backend: str = "av",
    *,
    stream: int | None = None,
    damage: str = "stop",
    prefetch: int = 4,
    rate: float | None = None,
) -> VideoReader:
    """Open a video. Its first frame is decoded at once, so that a video that cannot be read fails here.

    source: see `Source`.
    backend: "av", the reference, or "decord", a fast path for random access that is refused where it is not exact.
    stream: which of the file's video streams; None for the one that is marked as default, else the largest.
    damage: "stop" at damaged data, or "skip" what cannot be decoded and log how much that was.
    prefetch: frames decoded ahead while iterating, in a thread; 0 = none.
    rate: frames per second of images and arrays, which have no time stamps; None for 25.

    Raises `VideoError` (an `RvosError`) with a message of one line for every error in the input.
    """
    if backend not in BACKENDS:
        raise VideoError(f"video backend: expected one of {', '.join(BACKENDS)}, got '{backend}'")
    if damage not in DAMAGE:
        raise VideoError(f"video damage: expected one of {', '.join(DAMAGE)}, got '{damage}'")
    if prefetch < 0:
        raise VideoError(f"video prefetch: expected 0 or more frames, got {prefetch}")
    if rate is not None and rate <= 0:
        raise VideoError(f"video rate: expected more than 0 frames per second, got {rate}")
    return VideoReader(_open_source(source, backend, stream, damage, rate), prefetch)


def _open_source(source: Source, backend: str, stream: int | None, damage: str, rate: float | None) -> FrameSource:
    if not isinstance(source, str | Path):
        return _open_in_memory(source, backend, rate)
    camera = camera_number(source)
    if camera is not None:
        _reject_decord(backend, "cameras")
        _reject_rate(rate, source)
        return CameraSource(camera)
    path = path_of(source)
    if path.is_dir():
        _reject_decord(backend, "folders of images")
        return ImageFilesSource(list_images(path), str(path), rate)
    if is_image_file(path) and backend == "av" and not _is_animated_png(path):
        return ImageFilesSource([path], str(path), rate)
    _reject_rate(rate, source)
    return AvSource(path, stream, damage) if backend == "av" else DecordSource(path, stream)


def _open_in_memory(source: object, backend: str, rate: float | None) -> FrameSource:
    if isinstance(source, StoredImages):
        _reject_decord(backend, "images")
        return ImageFilesSource(source.paths, _folder_of(source.paths), rate, turned=False)
    if not isinstance(source, np.ndarray | list | tuple):
        raise VideoError(
            f"source: expected a path, a list of pathlib.Path to images, or uint8 (T, H, W, 3) RGB, got "
            f"{type(source).__name__}: open or collect it first"
        )
    if len(source) and isinstance(source[0], str | bytes):
        raise VideoError(
            "source: expected images as pathlib.Path, got a list of strings: pass [Path(name) for name in names], or "
            "one path of a video"
        )
    if len(source) and isinstance(source[0], Path):
        odd = next((type(p).__name__ for p in source if not isinstance(p, Path)), None)
        if odd is not None:
            raise VideoError(f"source: expected images as pathlib.Path only, got {odd} among them")
        _reject_decord(backend, "images")
        paths = cast("Sequence[Path]", source)
        return ImageFilesSource(paths, _folder_of(paths), rate)
    _reject_decord(backend, "arrays")
    return ArraySource(cast("np.ndarray | Sequence[np.ndarray]", source), rate)


def _folder_of(paths: Sequence[Path]) -> str:
    return str(paths[0].parent) if paths else "images"


def _is_animated_png(path: Path) -> bool:
    """Whether a PNG has the chunk of an animation, which comes before its pixels."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False  # the error is reported when it is opened
    return head.startswith(b"\x89PNG") and b"acTL" in head


def _reject_decord(backend: str, kind: str) -> None:
    if backend == "decord":
        raise VideoError(f'expected a video file for backend "decord", got {kind}: use backend="av"')


def _reject_rate(rate: float | None, source: str | Path) -> None:
    if rate is not None:
        raise VideoError(f"'{source}': it has its own time stamps, got rate {rate}: leave the rate out")


class VideoReader:
    """An open video: `for frame in reader` from the start, `reader[i]`, `get`, `read` where the source allows.

    A context manager; closing ends the threads of unfinished iterations. Each iteration starts at the first frame (that
    of a camera goes on). `info` is what the header declares, which may be wrong.
    """

    def __init__(self, source: FrameSource, prefetch: int) -> None:
        self._source = source
        self._prefetch = prefetch
        self._prefetches: list[Prefetch[Frame]] = []
        self._closed = False

    @property
    def info(self) -> VideoInfo:
        """Size, rate, declared length, codec, rotation."""
        return self._source.info

    def __iter__(self) -> Iterator[Frame]:
        """All frames in order, index from 0, times strictly increasing; raises `VideoError` where the data breaks."""
        self._check_open()
        return self._source.frames() if self._prefetch == 0 else self._prefetched(self._source.frames())

    def frames_from(self, index: int) -> Iterator[Frame]:
        """The frames from `index` on, as iteration returns them: by seeking where that is exact, else by skipping
        those before."""
        self._check_open()
        if self._source.seekable:
            frames = self._source.read(range(index, self._source.count_frames()))
        else:
            frames = islice(self._source.frames(), index, None)
        return frames if self._prefetch == 0 else self._prefetched(frames)

    def _prefetched(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        with Prefetch(frames, self._prefetch) as ahead:
            self._prefetches.append(ahead)
            try:
                yield from ahead
            finally:
                self._prefetches.remove(ahead)

    def __getitem__(self, index: int) -> Frame:
        """Frame `index`. Raises `IndexError` outside the video."""
        return self.get([index])[0]

    def get(self, indices: Sequence[int]) -> list[Frame]:
        """The frames at `indices`, in that order; repeats are decoded once. Raises `IndexError`, `VideoError`."""
        frames = {frame.index: frame for frame in self.read(sorted({int(i) for i in indices}))}
        return [frames[int(i)] for i in indices]

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The frames at strictly increasing `indices`, one at a time, by seeking where that is exact.

        Raises `IndexError` outside the video, `ValueError` when the indices do not increase.
        """
        self._check_open()
        if any(b <= a for a, b in pairwise(indices)):
            raise ValueError("VideoReader.read: expected strictly increasing indices, got some that do not increase")
        if indices and indices[0] < 0:
            raise IndexError(f"'{self.info.source}': expected a frame index of 0 or more, got {indices[0]}")
        return self._source.read(indices)

    def count_frames(self) -> int:
        """T, by counting packets or frames, not from the header. Raises `VideoError` for a camera."""
        self._check_open()
        return self._source.count_frames()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"'{self.info.source}': the reader is closed: open the video again")

    def close(self) -> None:
        """End all threads and close the file. May be called twice."""
        self._closed = True
        for frames in tuple(self._prefetches):
            frames.close()
        self._source.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
