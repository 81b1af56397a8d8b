"""Packets -> pictures with av, up to the first fault, and no further."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import cpu_count
from pathlib import Path

import av
from av.container import InputContainer
from av.error import EOFError as EndOfStream
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from rvos.types import VideoError
from rvos.video.diagnosis import looks_like_text, why_unreadable

_MAX_THREADS = 4


class BrokenDataError(Exception):
    """The data cannot be decoded from here on. All frames before have been delivered."""


@contextmanager
def open_stream(path: Path, number: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Container and video stream `number` of a file, ready to decode. Cover pictures are not counted as video.

    Raises `VideoError` when the file is missing, empty, no video, or has no such stream.
    """
    if not path.is_file():
        raise VideoError(f"no such file: '{path}': check the path")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (FFmpegError, OSError) as error:
        if isinstance(error, PermissionError):
            raise VideoError(f"'{path}': no permission to read it: check the file's rights") from error
        raise VideoError(f"'{path}': {why_unreadable(path, error)}") from error
    with container:
        yield container, _pick_stream(path, container, number)


def _pick_stream(path: Path, container: InputContainer, number: int) -> VideoStream:
    with path.open("rb") as file:
        # ffmpeg renders text files with some suffixes as terminal art.
        if container.format.name == "tty" or (not container.streams.video and looks_like_text(file.read(4096))):
            raise VideoError(f"'{path}': expected a video file, got text")
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = sorted({s.type for s in container.streams}) or ["nothing"]
        raise VideoError(f"'{path}': expected a file with a video stream, got one with {' and '.join(kinds)} only")
    if not 0 <= number < len(streams):
        raise VideoError(
            f"'{path}': expected video stream 0 to {len(streams) - 1}, got {number}: set video.stream to one of those"
        )
    stream = streams[number]
    # av.logging.set_level must stay untouched: its callback takes the interpreter lock in the decoder's threads, and
    # closing a decoder that logs an error then never returns.
    stream.thread_type = "AUTO"
    # Each frame thread holds a frame: their number must not grow with the machine.
    stream.codec_context.thread_count = min(_MAX_THREADS, cpu_count() or 1)
    return stream


def decode(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Frames in display order from the container's position on, beginning at a key frame.

    Raises `BrokenDataError` at the first packet or frame that is damaged, after the frames shown before it.
    """
    packets = container.demux(stream)
    started = False
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError as error:
            yield from _drain(stream, None)
            raise BrokenDataError(_reason(error)) from error
        if packet is None:
            return
        started = started or packet.is_keyframe
        if packet.size and not started:
            continue
        if packet.is_corrupt:
            yield from _drain(stream, packet.pts)
            raise BrokenDataError("the file ends inside its data")
        try:
            frames = stream.decode(packet)
        except EndOfStream:
            return
        except FFmpegError as error:
            yield from _drain(stream, packet.pts)
            raise BrokenDataError(_reason(error)) from error
        for frame in frames:
            if frame.is_corrupt:
                raise BrokenDataError("its data is damaged")
            yield frame


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
