"""Decodes the packets of a file with av: up to the first error, or past damaged data."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import cpu_count
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.error import EOFError as EndOfStream
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from rvos.types import VideoError
from rvos.video.diagnosis import looks_like_text, open_error_reason

_MAX_THREADS = 4
_TRANSPORT_STREAM = "mpegts"
_MAX_DEMUXER_ERRORS = 100
"""Errors in a row after which the demuxer is given up."""

_PLAYLISTS = frozenset({"concat", "dash", "hls", "imf", "rtsp", "sap", "sdp"})
_FORMATS = ",".join(sorted(av.formats_available - _PLAYLISTS))
"""Formats that are opened: all except playlists, which name other files or addresses to read."""


class BrokenDataError(Exception):
    """The data cannot be decoded from here on. All frames before have been delivered."""


@contextmanager
def open_stream(path: Path, number: int | None) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Container and video stream `number` of a file, ready to decode; None: the one that is marked as default, else the
    largest. Cover images are not counted as video.

    Raises `VideoError` when the file is missing, empty, no video, or has no such stream.
    """
    if not path.is_file():
        raise VideoError(f"no such file: '{path}': check the path")
    try:
        container = av.open(av_name(path), metadata_errors="replace", options={"format_whitelist": _FORMATS})
    except (FFmpegError, OSError) as error:
        if isinstance(error, PermissionError):
            raise VideoError(f"'{path}': no permission to read it: check the file's rights") from error
        raise VideoError(f"'{path}': {open_error_reason(path, error)}") from error
    with container:
        yield container, _pick_stream(path, container, number)


def av_name(path: Path) -> str:
    """A path as av takes it: without the prefix, what stands before a colon in it would be a protocol."""
    return f"file:{path}"


def video_streams(container: InputContainer) -> list[VideoStream]:
    """The video streams of a file, in its order, without cover images."""
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def _pick_stream(path: Path, container: InputContainer, number: int | None) -> VideoStream:
    with path.open("rb") as file:
        # ffmpeg renders text files with some suffixes as terminal art.
        if container.format.name == "tty" or (not container.streams.video and looks_like_text(file.read(4096))):
            raise VideoError(f"'{path}': expected a video file, got text")
    streams = video_streams(container)
    if not streams:
        kinds = sorted({"a cover image" if s.type == "video" else s.type for s in container.streams}) or ["nothing"]
        raise VideoError(f"'{path}': expected a file with a video stream, got one with {' and '.join(kinds)} only")
    if not any(_has_decoder(s) for s in streams):
        raise VideoError(f"'{path}': its video codec cannot be decoded here: convert it to mp4 (h264)")
    if number is not None and not 0 <= number < len(streams):
        raise VideoError(
            f"'{path}': expected video stream 0 to {len(streams) - 1}, got {number}: set video.stream to one of those"
        )
    stream = _main_stream(streams) if number is None else streams[number]
    if not _has_decoder(stream):
        raise VideoError(f"'{path}': video stream {number} cannot be decoded here: set video.stream to another")
    # av.logging.set_level must stay untouched: its callback takes the interpreter lock in the decoder's threads, and
    # closing a decoder that logs an error then never returns.
    # Frame threads lose the mark of a last frame that is damaged, which MPEG-TS alone tells in no other way.
    stream.thread_type = "SLICE" if container.format.name == _TRANSPORT_STREAM else "AUTO"
    # Each frame thread holds a frame: their number must not grow with the machine.
    stream.codec_context.thread_count = min(_MAX_THREADS, cpu_count() or 1)
    return stream


def _main_stream(streams: Sequence[VideoStream]) -> VideoStream:
    """Of those that can be decoded, and are marked as default or else of all, the largest; of equals the first."""
    known = [s for s in streams if _has_decoder(s)]
    flagged = [s for s in known if s.disposition & Disposition.default]
    return max(flagged or known, key=lambda s: (s.width or 0) * (s.height or 0))


def _has_decoder(stream: VideoStream) -> bool:
    return cast("object", stream.codec_context) is not None


class Decoder:
    """One pass over a stream from the container's position on: frames in display order, beginning at a key frame.

    skip: leave out damaged data and go on; otherwise `BrokenDataError` is raised at the first damaged packet or frame,
    after the frames shown before it. Packets of MPEG-TS that are flagged as corrupt, as in joined or recorded streams,
    are decoded all the same; only a damaged frame counts.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, skip: bool = False) -> None:
        self._container = container
        self._stream = stream
        self._skip = skip
        self._trusts_corrupt_flag = container.format.name != _TRANSPORT_STREAM
        #: Damaged packets and frames that were skipped.
        self.skipped = 0
        #: Packets that were flagged as damaged, or as coming after a gap.
        self.flagged = 0
        #: Packets that an edit list discards.
        self.discarded = 0
        #: Decoding time stamps of the packets whose frame has not come out of the decoder yet, in order.
        self.pending_dts: deque[int | None] = deque()
        #: End of the last packet in ticks, where packets have time stamps.
        self.end_ticks = 0
        self._last_dts: int | None = None

    def frames(self) -> Iterator[av.VideoFrame]:
        """The undamaged frames. Raises `BrokenDataError`."""
        started = False
        try:
            for packet in self._packets():
                started = started or packet.is_keyframe
                if packet.size and not started:
                    continue
                self._count(packet)
                for frame in self._decoded(packet):
                    if not frame.is_corrupt:
                        yield frame
                        continue
                    if not self._skip:
                        raise BrokenDataError("its data is damaged")
                    self.skipped += 1
        except FFmpegError as error:
            yield from _drain(self._stream, None)
            raise BrokenDataError(_reason(error)) from error

    def _packets(self) -> Iterator[Packet]:
        """All packets, up to the empty one at the end."""
        packets, faults = self._container.demux(self._stream), 0
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:
                faults += 1
                if not self._skip or faults > _MAX_DEMUXER_ERRORS:
                    raise
                packets = self._container.demux(self._stream)
                continue
            if packet is None:
                self.skipped += faults
                return
            yield packet

    def _count(self, packet: Packet) -> None:
        if not packet.size:
            return
        self.flagged += packet.is_corrupt
        self.discarded += packet.is_discard
        self.pending_dts.append(packet.dts)
        if packet.dts is not None:
            step = packet.dts - self._last_dts if self._last_dts is not None else 0
            self.end_ticks = max(self.end_ticks, packet.dts + max(step, packet.duration or 0))
            self._last_dts = packet.dts

    def _decoded(self, packet: Packet) -> Iterator[av.VideoFrame]:
        if packet.is_corrupt and self._trusts_corrupt_flag and not self._skip:
            yield from _drain(self._stream, packet.pts)
            raise BrokenDataError("the file ends inside its data")
        try:
            frames = self._stream.decode(packet)
        except EndOfStream:
            return
        except FFmpegError as error:
            if not self._skip:
                yield from _drain(self._stream, packet.pts)
                raise BrokenDataError(_reason(error)) from error
            self.skipped += 1
            if self.pending_dts:
                self.pending_dts.pop()
            return
        yield from frames


def _drain(stream: VideoStream, before_pts: int | None) -> list[av.VideoFrame]:
    """Frames that the decoder still holds and that are whole and shown before `before_pts`."""
    held: list[av.VideoFrame] = []
    for _ in range(_MAX_THREADS + 1):
        try:
            held += stream.decode(None)
        except EndOfStream:
            break
        except FFmpegError:
            continue  # each thread may still hand over an error of its own
    whole = []
    for frame in held:
        late = before_pts is not None and frame.pts is not None and frame.pts >= before_pts
        if frame.is_corrupt or late:
            break
        whole.append(frame)
    return whole


def _reason(error: Exception) -> str:
    return f"its data is damaged ({str(error).split(': ')[0].split('] ')[-1].lower()})"
