"""Frames -> a video file that browsers and players open, with the times of the source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.packet import Packet
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from image_core.files import output_errors
from rvos.types import OutputError

TICKS_PER_S = 90_000
_DEFAULT_RATE = 25.0
_KEY_INTERVAL_S = 2.0
_ASPECT_TERMS = 255
_MOST_PX = 16384
_LATE_S = 10.0
"""A clock that starts later than this does not count from the beginning of the video."""
# With x264's macroblock tree the same frames become other bytes now and then (5 versions in 250 encodings on a busy
# machine, 1 without it); a run that was continued must show what a run in one go shows.
_ENCODER_OPTIONS = {"preset": "veryfast", "crf": "20", "bf": "0", "threads": "2", "x264-params": "mbtree=0"}
_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv"})


class VideoWriter:
    """Writes (H, W, 3) uint8 RGB frames as h264, yuv420p, BT.709, with exact times (1/90000 s).

    size: (height, width); an odd one grows by one row or column, a copy of the last. rate: mean frames per second,
    a hint to the encoder and the duration of a lone frame; None = unknown. pixel_aspect: width / height of a pixel,
    which players apply. A frame lasts until the next, the last as long as the one before it. Times are kept, but for
    those of a clock that starts more than 10 s late: there the first frame is at 0. The file grows under a hidden name
    beside `path` and takes its name on `close`, also after an error: what was written is always a complete video.
    Without a frame there is no file.
    Raises `OutputError` when the folder cannot be written or the suffix is not known.
    """

    def __init__(
        self, path: str | Path, size: tuple[int, int], *, rate: float | None, pixel_aspect: float = 1.0
    ) -> None:
        self._path = Path(path)
        self._size = size
        self._rate = rate or _DEFAULT_RATE
        if self._path.suffix.lower() not in _SUFFIXES:
            raise OutputError(
                f"'{path}': expected one of {', '.join(sorted(_SUFFIXES))}, got suffix '{self._path.suffix}'"
            )
        if max(size) > _MOST_PX:
            raise OutputError(
                f"'{path}': expected a side of at most {_MOST_PX} px, which h264 takes, got {size[0]} x {size[1]} px "
                "(height x width): leave it out, and save masks or frames"
            )
        self._partial = self._path.with_name(f".{self._path.stem}.partial{self._path.suffix}")
        # faststart: the index goes to the front, so that a browser can play while it loads.
        # A colon in a path would begin the name of a protocol: hence the prefix.
        with _written(self._path):
            self._container = av.open(
                f"file:{self._partial}",
                "w",
                options={"movflags": "faststart", "video_track_timescale": str(TICKS_PER_S)},
            )
            self._stream = self._add_stream(pixel_aspect)
            self._container.start_encoding()
        self._last_tick: int | None = None
        self._origin_s = 0.0
        self._held: Packet | None = None
        self._last_duration = round(TICKS_PER_S / self._rate)
        self._closed = False

    def _add_stream(self, pixel_aspect: float) -> av.VideoStream:
        stream = self._container.add_stream("libx264", rate=Fraction(self._rate).limit_denominator(TICKS_PER_S))
        context = stream.codec_context
        height, width = self._size
        context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt = "yuv420p"
        context.sample_aspect_ratio = Fraction(pixel_aspect).limit_denominator(_ASPECT_TERMS)
        context.time_base = Fraction(1, TICKS_PER_S)
        context.gop_size = max(1, round(_KEY_INTERVAL_S * self._rate))
        context.options = dict(_ENCODER_OPTIONS)
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        return stream

    def write(self, image: np.ndarray, time_s: float) -> None:
        """Append `image` (H, W, 3) uint8 RGB, shown from `time_s` on; times must increase. Raises `ValueError`."""
        if image.shape != (*self._size, 3) or image.dtype != np.uint8:
            raise ValueError(f"VideoWriter.write: expected uint8 {(*self._size, 3)}, got {image.dtype} {image.shape}")
        tick = self._tick(time_s)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(_even(image)), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
        frame.pts = tick
        frame.time_base = Fraction(1, TICKS_PER_S)
        self._mux(self._stream.encode(frame))

    def _tick(self, time_s: float) -> int:
        if self._last_tick is None:
            # Players drop what lies before zero, and wait for what begins at the epoch.
            self._origin_s = time_s if time_s > _LATE_S else min(0.0, time_s)
        tick = round((time_s - self._origin_s) * TICKS_PER_S)
        if self._last_tick is not None:
            if tick <= self._last_tick:
                raise ValueError(f"VideoWriter.write: expected increasing times, got {time_s} s after a later one")
            self._last_duration = tick - self._last_tick
        self._last_tick = tick
        return tick

    def _mux(self, packets: list[Packet]) -> None:
        """One packet is held back: the last one must be told how long it lasts."""
        for packet in packets:
            if self._held is not None:
                self._put(self._held)
            self._held = packet

    def _put(self, packet: Packet) -> None:
        with _written(self._path):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file and give it its name. May be called twice."""
        if self._closed:
            return
        self._closed = True
        with _written(self._path):
            if self._last_tick is None:
                self._container.close()
                self._partial.unlink(missing_ok=True)
                return
            try:
                self._mux(self._stream.encode(None))
                if self._held is not None:
                    self._held.duration = self._last_duration
                    self._put(self._held)
            finally:
                self._container.close()
            self._partial.replace(self._path)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """What the disk or the encoder refuses, as `OutputError`."""
    with output_errors(path):
        try:
            yield
        except FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise OutputError(f"'{path}': cannot be encoded ({str(error).split(': ')[0]}): leave it out") from error


def _even(image: np.ndarray) -> np.ndarray:
    """`image` with even height and width; yuv420p has no odd ones."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
