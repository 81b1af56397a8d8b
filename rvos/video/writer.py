"""Writes frames as a video file that browsers and players open, with the times of the source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.error import FFmpegError
from av.packet import Packet
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from image_core.files import output_errors
from rvos.types import OutputError
from rvos.video.encoding import H264, Encoding

TICKS_PER_S = 90_000
_DEFAULT_RATE = 25.0
_KEY_INTERVAL_S = 2.0
_ASPECT_TERMS = 255
_LATE_START_S = 10.0
"""If the first frame is later than this, its time becomes 0."""


class VideoWriter:
    """Writes frames as h264, yuv420p, BT.709, or in another encoding, with exact times (1/90000 s; .webm 1/1000 s).

    size: (height, width); an odd side is padded with a copy of the last row or column if the encoding needs even ones.
    rate: mean frames per second, a hint to the encoder and the duration of a lone frame; None = unknown.
    pixel_aspect: width / height of a pixel, which players apply. A frame lasts until the next, the last as long as the
    one before it. Times are kept, unless the first one is later than 10 s: then the video starts at 0. The file is
    written under a hidden name beside `path` and renamed on `close`, also after an error, so that it is always a
    complete video. Without a frame there is no file.
    Raises `OutputError` if the folder cannot be written or the suffix is unknown.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        *,
        rate: float | None,
        pixel_aspect: float = 1.0,
        encoding: Encoding = H264,
    ) -> None:
        self._path = Path(path)
        self._size = size
        self._rate = rate or _DEFAULT_RATE
        self._encoding = encoding
        if self._path.suffix.lower() not in encoding.suffixes:
            suffixes = ", ".join(sorted(encoding.suffixes))
            raise OutputError(f"'{path}': expected one of {suffixes}, got suffix '{self._path.suffix}'")
        if max(size) > encoding.max_px:
            raise OutputError(
                f"'{path}': expected sides of at most {encoding.max_px} px for {encoding.title}, "
                f"got {size[0]} x {size[1]} px (height x width): leave it out, and save masks or frames"
            )
        self._partial = self._path.with_name(f".{self._path.stem}.partial{self._path.suffix}")
        # faststart: the index goes to the front, so that a browser can play while it loads.
        # A colon in a path would begin the name of a protocol: hence the prefix. WebM has an id by chance otherwise.
        is_webm = self._path.suffix.lower() == ".webm"
        mp4_options = {"movflags": "faststart", "video_track_timescale": str(TICKS_PER_S)}
        with _as_output_error(self._path):
            self._container = av.open(
                f"file:{self._partial}",
                "w",
                options={"fflags": "bitexact"} if is_webm else mp4_options,
            )
            self._stream = self._add_stream(pixel_aspect)
            self._container.start_encoding()
        self._last_tick: int | None = None
        self._origin_s = 0.0
        self._pending_packet: Packet | None = None
        self._last_duration = round(TICKS_PER_S / self._rate)
        self._closed = False

    def _add_stream(self, pixel_aspect: float) -> av.VideoStream:
        rate = Fraction(self._rate).limit_denominator(TICKS_PER_S)
        stream = cast(av.VideoStream, self._container.add_stream(self._encoding.codec, rate=rate))
        context = stream.codec_context
        height, width = (side + -side % self._encoding.side_multiple for side in self._size)
        context.width, context.height = width, height
        context.pix_fmt = self._encoding.stream_pixel_format
        context.sample_aspect_ratio = Fraction(pixel_aspect).limit_denominator(_ASPECT_TERMS)
        context.time_base = Fraction(1, TICKS_PER_S)
        context.gop_size = max(1, round(_KEY_INTERVAL_S * self._rate))
        context.options = dict(self._encoding.options)
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        return stream

    def write(self, image: np.ndarray, time_s: float) -> None:
        """Append `image` (H, W, 3) uint8 RGB, (H, W, 4) for an encoding with alpha, shown from `time_s` on; times must
        increase. Raises `ValueError`."""
        shape = (*self._size, self._encoding.channels)
        if image.shape != shape or image.dtype != np.uint8:
            raise ValueError(f"VideoWriter.write: expected uint8 {shape}, got {image.dtype} {image.shape}")
        tick = self._tick(time_s)
        frame = self._encoding.frame(_padded(image, self._encoding.side_multiple))
        frame.pts = tick
        frame.time_base = Fraction(1, TICKS_PER_S)
        self._mux(self._stream.encode(frame))

    def _tick(self, time_s: float) -> int:
        if self._last_tick is None:
            # Players drop frames before zero, and wait for a first frame whose time counts from the epoch.
            self._origin_s = time_s if time_s > _LATE_START_S else min(0.0, time_s)
        tick = round((time_s - self._origin_s) * TICKS_PER_S)
        if self._last_tick is not None:
            if tick <= self._last_tick:
                raise ValueError(f"VideoWriter.write: expected increasing times, got {time_s} s after a later one")
            self._last_duration = tick - self._last_tick
        self._last_tick = tick
        return tick

    def _mux(self, packets: list[Packet]) -> None:
        """Mux all packets but the last, whose duration is set by `close`."""
        for packet in packets:
            if self._pending_packet is not None:
                self._mux_packet(self._pending_packet)
            self._pending_packet = packet

    def _mux_packet(self, packet: Packet) -> None:
        with _as_output_error(self._path):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file and rename it to `path`. May be called twice."""
        if self._closed:
            return
        self._closed = True
        with _as_output_error(self._path):
            if self._last_tick is None:
                self._container.close()
                self._partial.unlink(missing_ok=True)
                return
            try:
                self._mux(self._stream.encode(None))
                if self._pending_packet is not None:
                    self._pending_packet.duration = self._last_duration
                    self._mux_packet(self._pending_packet)
            finally:
                self._container.close()
            self._partial.replace(self._path)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@contextmanager
def _as_output_error(path: Path) -> Iterator[None]:
    """Raises errors of the disk and of the encoder as `OutputError`."""
    with output_errors(path):
        try:
            yield
        except FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise OutputError(f"'{path}': cannot be encoded ({str(error).split(': ')[0]}): leave it out") from error


def _padded(image: np.ndarray, multiple: int) -> np.ndarray:
    """`image` padded to sides that are multiples, by copies of the last row and column."""
    height, width = image.shape[:2]
    more = (-height % multiple, -width % multiple)
    return np.pad(image, ((0, more[0]), (0, more[1]), (0, 0)), mode="edge") if any(more) else image
