"""Video files read with av, the reference that other readers are compared with."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from rvos.types import Frame, VideoError, VideoInfo
from rvos.video.decoding import BrokenDataError, Decoder, open_stream, video_streams
from rvos.video.diagnosis import is_truncated
from rvos.video.packet_index import PacketIndex, build_packet_index
from rvos.video.rgb_conversion import display_matrix, swaps_axes, to_rgb
from rvos.video.source import check_indices
from rvos.video.timeline import FORMATS_IN_DECODING_ORDER, Timeline

log = logging.getLogger(__name__)
_LATE_START_S = 10


@dataclass(frozen=True)
class _Header:
    """What a file declares of a stream; None where it declares nothing."""

    #: Mean frames per second.
    rate: Fraction | None
    frame_count: int | None
    duration_s: float | None


class AvSource:
    """A video file. The first frame is decoded when it is opened, so that a file that cannot be read fails here.

    Each iteration opens the file again, so that iterations are independent. stream: None for the one that
    is marked as default, else the largest; damage: stop or skip, as `open_video` takes them. Raises `VideoError`.
    """

    def __init__(self, path: Path, stream: int | None = None, damage: str = "stop") -> None:
        self.path = path
        self._stream_index = stream
        self._skip = damage == "skip"
        with open_stream(path, stream) as (container, video):
            streams = video_streams(container)
            if stream is None and len(streams) > 1:
                log.info(
                    "'%s': %d video streams, number %d is taken (%d x %d px): --set video.stream=N takes another",
                    *(path, len(streams), streams.index(video), video.height, video.width),
                )
            # Before the first packet: decoding may set fields of the stream that the header left open.
            header = _read_header(container, video)
            first = self._first_frame(container, video)
            self.first_pts = first.pts
            self.format_name = container.format.name
            self.codec = video.codec_context.codec.canonical_name
            self.video_streams = len(streams)
            self.time_base = video.time_base or Fraction(1, 1)
            self._rate = header.rate
            self._matrix = display_matrix(first)
            sideways = swaps_axes(self._matrix)
            aspect = float(video.sample_aspect_ratio or 1)
            self.info = VideoInfo(
                source=str(path),
                size=(first.width, first.height) if sideways else (first.height, first.width),
                rate=float(self._rate) if self._rate else None,
                frame_count=header.frame_count,
                duration_s=header.duration_s,
                codec=self.codec,
                rotation_deg=first.rotation % 360,
                pixel_aspect=1 / aspect if sideways else aspect,
                stream_index=streams.index(video),
            )

    def _first_frame(self, container: InputContainer, video: VideoStream) -> av.VideoFrame:
        try:
            first = next(Decoder(container, video, skip=self._skip).frames(), None)
        except BrokenDataError as error:
            raise VideoError(
                f"'{self.path}': broken at frame 0: {error}: no frame can be read, copy it again"
            ) from error
        if first is None:
            raise VideoError(f"'{self.path}': expected a video stream of at least one frame, got none: copy it again")
        return first

    def frames(self) -> Iterator[Frame]:
        """All frames in order. Raises `VideoError` at the place where the data breaks or the file was cut off."""
        index, time_s = 0, 0.0
        in_decoding_order = self.format_name in FORMATS_IN_DECODING_ORDER
        with open_stream(self.path, self._stream_index) as (container, video):
            timeline = Timeline(str(self.path), self._rate, handles_jumps=self.format_name == "mpegts")
            decoder = Decoder(container, video, skip=self._skip)
            try:
                for decoded in decoder.frames():
                    ticks = decoded.pts
                    if in_decoding_order:
                        ticks = decoder.pending_dts.popleft() if decoder.pending_dts else None
                    time_s = timeline.time_of(ticks, self.time_base)
                    yield self._frame(index, time_s, decoded)
                    index += 1
            except BrokenDataError as error:
                raise self._broken(index, str(error), time_s) from error
            if is_truncated(self.path, container, video):
                if not self._skip:
                    raise self._broken(index, "the file was cut off", time_s)
                log.warning("'%s': the file was cut off; its %d frames were read", self.path, index)
        self._log_damage(decoder, index)

    def _log_damage(self, decoder: Decoder, count: int) -> None:
        """Logs what was skipped, and frames that the header declares but the file does not contain."""
        if decoder.skipped:
            log.warning("'%s': damaged, %d packets or frames were skipped", self.path, decoder.skipped)
        elif decoder.flagged:
            log.warning(
                "'%s': %d packets come after a gap (joined files, or lost data); all frames in the file were read",
                *(self.path, decoder.flagged),
            )
        declared = self.info.frame_count
        if declared is None or decoder.skipped:
            return
        # AVI declares a number of ticks, and a dropped frame also takes one.
        reached = decoder.end_ticks if self.format_name == "avi" else count + decoder.discarded
        if max(count, reached) < declared:
            log.warning("'%s': the header declares %d frames, %d could be read", self.path, declared, count)

    def _frame(self, index: int, time_s: float, decoded: av.VideoFrame) -> Frame:
        image = to_rgb(decoded, self._matrix)
        if image.shape[:2] != self.info.size:
            (h, w), (height, width) = image.shape[:2], self.info.size
            raise VideoError(
                f"'{self.path}': expected frames of one size, {height} x {width} px (height x width) as the first, got "
                f"{h} x {w} px at frame {index}: encode it again at one size"
            )
        return Frame(index, time_s, image)

    def _broken(self, index: int, reason: str, last_time_s: float | None = None) -> VideoError:
        after = "" if last_time_s is None else f" (after {last_time_s:.3f} s)"
        return VideoError(
            f"'{self.path}': broken at frame {index}{after}: {reason}; the frames before it can be read: "
            "copy the file again, or skip damaged data with --set video.damage=skip"
        )

    @cached_property
    def index(self) -> PacketIndex | None:
        """Time stamps of all frames; None if only reading from the start is exact."""
        if self._skip:
            return None
        with open_stream(self.path, self._stream_index) as (container, video):
            index = build_packet_index(container, video)
        # Leading frames that cannot be decoded have packets but are never shown.
        return index if index is not None and index.pts[0] == self.first_pts else None

    @property
    def seekable(self) -> bool:
        """Whether there is a packet index of all frames, and the file is not truncated."""
        if self.index is None:
            return False
        with open_stream(self.path, self._stream_index) as (container, video):
            return not is_truncated(self.path, container, video)

    def count_frames(self) -> int:
        """T, by counting packets if each is a frame, else by decoding all frames."""
        if self.index is not None:
            return len(self.index)
        with open_stream(self.path, self._stream_index) as (container, video):
            count = 0
            try:
                for _ in Decoder(container, video, skip=self._skip).frames():
                    count += 1
            except BrokenDataError as error:
                raise self._broken(count, str(error)) from error
        return count

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The frames at increasing `indices`: by packet index where there is one, else read from the start."""
        if self.index is None:
            yield from self._read_sequentially(indices)
            return
        check_indices(indices, len(self.index), self.info.source)
        position = 0
        try:
            for frame in self._read_by_seeking(indices, self.index):
                yield frame
                position += 1
        except (BrokenDataError, LookupError) as error:
            log.warning(
                "'%s': seeking failed at frame %d (%s): reading from the start", self.path, indices[position], error
            )
            yield from self._read_sequentially(indices[position:])

    def _read_sequentially(self, indices: Sequence[int]) -> Iterator[Frame]:
        frames = self.frames()
        for target in indices:
            frame = next((f for f in frames if f.index == target), None)
            if frame is None:
                raise IndexError(f"'{self.path}': expected a frame index before the end of the video, got {target}")
            yield frame

    def _read_by_seeking(self, indices: Sequence[int], index: PacketIndex) -> Iterator[Frame]:
        """Frames by time stamp: reads on unless a later key frame is nearer. Raises `LookupError` for a missing time
        stamp."""
        with open_stream(self.path, self._stream_index) as (container, video):
            decoded_frames: Iterator[av.VideoFrame] = iter(())
            shown_pts: int | None = None
            for i in indices:
                target = index.pts[i]
                key = index.key_pts[index.key_position(target)]
                if shown_pts is None or key > shown_pts:
                    decoded_frames = _decode_from_key_frame(container, video, index, target)
                decoded = next((p for p in decoded_frames if p.pts is not None and p.pts >= target), None)
                if decoded is None or decoded.pts != target:
                    raise LookupError("no frame has its time stamp")
                shown_pts = target
                yield self._frame(i, float(target * self.time_base), decoded)

    def close(self) -> None:
        """Nothing to release: no file is open between iterations."""


def _decode_from_key_frame(
    container: InputContainer, video: VideoStream, index: PacketIndex, target: int
) -> Iterator[av.VideoFrame]:
    """Frames from a key frame at or before `target` on; one key frame further back while the first comes too late."""
    position = index.key_position(target)
    while True:
        container.seek(index.key_pts[position], stream=video, backward=True)
        decoded_frames = Decoder(container, video).frames()
        first = next(decoded_frames, None)
        if position == 0 or (first is not None and first.pts is not None and first.pts <= target):
            break
        position -= 1
    if first is not None:
        yield first
    yield from decoded_frames


def _read_header(container: InputContainer, video: VideoStream) -> _Header:
    duration = None
    if video.duration and video.time_base:
        duration = video.duration * video.time_base
    elif container.duration:
        duration = Fraction(container.duration, av.time_base)
        start = Fraction(container.start_time or 0, av.time_base)
        if start > _LATE_START_S and duration > start:  # then the declared duration is the time of the end
            duration -= start
    rate = video.average_rate or video.guessed_rate
    return _Header(rate, video.frames or None, float(duration) if duration else None)
