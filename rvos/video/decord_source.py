"""decord as a fast path for random access, only for files of which it returns exactly the frames that av returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from rvos.types import Frame, VideoError
from rvos.video.av_source import AvSource
from rvos.video.packet_index import PacketIndex
from rvos.video.source import check_indices

_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".webm"})
_CODECS = frozenset({"h264", "vp9"})
_CHUNK = 16
"""Frames of one `get_batch`, which are in memory at a time."""


class DecordSource:
    """A file whose random access goes through decord; iterating goes through av, the reference.

    decord was measured to return wrong frames without an error (open GOPs, AVI, MPEG-TS, hevc, 10 bit). So container
    and codec must be among the exact ones, and some frames of each file are compared with av's, once.
    Raises `VideoError` with the reason for any other file.
    """

    def __init__(self, path: Path, stream: int | None = None) -> None:
        self._reference = AvSource(path, stream)
        self.info = self._reference.info
        self._path = path
        status = path.stat()
        reason = _inexact_reason(str(path), status.st_mtime_ns, status.st_size, stream)
        if reason:
            raise VideoError(f"'{path}': decord is not exact here ({reason}): use backend=\"av\"")

    @property
    def seekable(self) -> bool:
        return self._reference.seekable

    def frames(self) -> Iterator[Frame]:
        """All frames in order, through av: an idle decord reader buffers without bound."""
        return self._reference.frames()

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The frames at increasing `indices`."""
        index = self._reference.index
        if index is None:
            raise VideoError(f"'{self._path}': it changed while it was open: open it again")
        check_indices(indices, len(index), self.info.source)
        for start in range(0, len(indices), _CHUNK):
            chunk = indices[start : start + _CHUNK]
            for i, image in zip(chunk, _decode(str(self._path), chunk), strict=True):
                yield Frame(i, float(index.pts[i] * self._reference.time_base), image)

    def count_frames(self) -> int:
        """T, by counting packets."""
        return self._reference.count_frames()

    def close(self) -> None:
        """Nothing to release: no file is open between reads."""


def _decode(path: str, indices: Sequence[int]) -> np.ndarray:
    """(len(indices), H, W, 3) uint8. The reader lives for one call: left idle it decodes ahead without bound."""
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(path, num_threads=1)
        return reader.get_batch(list(indices)).asnumpy()
    except decord.DECORDError as error:
        raise VideoError(f"'{path}': decord cannot read it: use backend=\"av\"") from error


@lru_cache(maxsize=4096)
def _inexact_reason(path: str, mtime_ns: int, size: int, stream: int | None) -> str | None:
    """Why decord would not be exact for this file, None if it is. Cached by file, time of change and size."""
    source = AvSource(Path(path), stream)
    if Path(path).suffix.lower() not in _SUFFIXES:
        return f"expected container {', '.join(sorted(_SUFFIXES))}, got {Path(path).suffix or 'no suffix'}"
    if source.codec not in _CODECS:
        return f"expected codec {' or '.join(sorted(_CODECS))}, got {source.codec}"
    if source.video_streams != 1:
        return f"expected one video stream, got {source.video_streams}"
    if source.index is None:
        return "its packets do not give the times of all frames"
    if source.index.open_gop:
        return "open GOPs"
    probes = _probe_indices(source.index)
    try:
        images = _decode(path, probes)
    except VideoError:
        return "it does not open the file"
    for frame, image in zip(source.read(probes), images, strict=True):
        if not np.array_equal(frame.image, image):
            return f"its frame {frame.index} differs from av's"
    return None


def _probe_indices(index: PacketIndex) -> list[int]:
    """First, last, middle, and the frames on both sides of the second key frame."""
    last = len(index) - 1
    probes = {0, last // 2, last}
    if len(index.key_pts) > 1:
        second = index.pts.index(index.key_pts[1])
        probes |= {second - 1, second}
    return sorted(probes)
