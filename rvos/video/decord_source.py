"""decord as a fast path for random access, admitted only where it gives the very frames that av gives."""

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
"""Frames of one `get_batch`: what is held at a time."""


class DecordSource:
    """A file whose random access goes through decord; iterating goes through av, the reference.

    decord is measured to give wrong frames silently (open GOPs, AVI, MPEG-TS, hevc, 10 bit), so the container and
    the codec must be among the exact ones, and some frames of each file are compared with av's, once.
    Raises `VideoError` that says why a file is refused.
    """

    def __init__(self, path: Path, stream: int | None = None) -> None:
        self._reference = AvSource(path, stream)
        self.info = self._reference.info
        self._path = path
        status = path.stat()
        reason = _why_refused(str(path), status.st_mtime_ns, status.st_size, stream)
        if reason:
            raise VideoError(f"'{path}': decord is not exact here ({reason}): use backend=\"av\"")

    @property
    def seeks(self) -> bool:
        return self._reference.seeks

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
        """T, packets counted."""
        return self._reference.count_frames()

    def close(self) -> None:
        """Nothing is held between reads."""


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
def _why_refused(path: str, mtime_ns: int, size: int, stream: int | None) -> str | None:
    """Why decord must not read this file, None where it may. Kept per file and its state on disk."""
    source = AvSource(Path(path), stream)
    if Path(path).suffix.lower() not in _SUFFIXES:
        return f"expected container {', '.join(sorted(_SUFFIXES))}, got {Path(path).suffix or 'no suffix'}"
    if source.codec not in _CODECS:
        return f"expected codec {' or '.join(sorted(_CODECS))}, got {source.codec}"
    if source.video_streams != 1:
        return f"expected one video stream, got {source.video_streams}"
    if source.index is None:
        return "its packets do not tell the frames"
    if source.index.open_gop:
        return "open GOPs"
    probes = _probes(source.index)
    try:
        images = _decode(path, probes)
    except VideoError:
        return "it does not open the file"
    for frame, image in zip(source.read(probes), images, strict=True):
        if not np.array_equal(frame.image, image):
            return f"its frame {frame.index} differs from av's"
    return None


def _probes(index: PacketIndex) -> list[int]:
    """First, last, middle, and the frames on both sides of the second key frame."""
    last = len(index) - 1
    probes = {0, last // 2, last}
    if len(index.key_pts) > 1:
        second = index.pts.index(index.key_pts[1])
        probes |= {second - 1, second}
    return sorted(probes)
