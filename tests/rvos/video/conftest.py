"""Small clips whose frames carry their own number, so that a wrong frame is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

_BITS = 8
_BLOCK = 16
SIZE = (64, _BITS * _BLOCK)


def barcode(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3) uint8: the number in binary as black and white columns in the upper half, a moving ramp below."""
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(_BITS):
        image[: height // 2, bit * _BLOCK : (bit + 1) * _BLOCK] = 255 * (index >> bit & 1)
    image[height // 2 :] = ((np.arange(width) + 3 * index) % 200 + 20)[None, :, None]
    return image


def read_barcode(image: np.ndarray) -> int:
    """The number that `barcode` drew."""
    row = image[image.shape[0] // 4].mean(-1)
    return sum(1 << bit for bit in range(_BITS) if row[bit * _BLOCK + _BLOCK // 2] > 128)


def _write(
    path: Path,
    count: int = 40,
    *,
    codec: str = "libx264",
    rate: int = 25,
    ticks: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = SIZE,
    rotation: int = 0,
    hflip: bool = False,
    gop: int = 10,
    draw: Callable[[int, tuple[int, int]], np.ndarray] = barcode,
) -> Path:
    """Write `count` numbered frames; `ticks` are their times in 1/1000 s, else even steps."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = gop
        stream.codec_context.options = options or {}
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation or hflip:
            stream.set_display_rotation(rotation, hflip=hflip)
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(draw(i, size), format="rgb24").reformat(format=pix_fmt)
            frame.time_base = Fraction(1, 1000) if ticks is not None else Fraction(1, rate)
            frame.pts = ticks[i] if ticks is not None else i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def write_clip() -> Callable[..., Path]:
    """`write_clip(path, count, codec=..., ticks=..., ...)`."""
    return _write


@pytest.fixture(scope="session")
def numbers_of() -> Callable[[Any], list[int]]:
    """The numbers drawn in some frames."""
    return lambda frames: [read_barcode(frame.image) for frame in frames]


@pytest.fixture(scope="session")
def b_frame_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of h264 with B-frames, a key frame every 10, the index at the front."""
    path = tmp_path_factory.mktemp("clips") / "b_frames.mp4"
    return _write(path, options={"bf": "3", "sc_threshold": "0"}, container_options={"movflags": "faststart"})
