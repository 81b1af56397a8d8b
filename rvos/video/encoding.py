"""How frames become packets: the codecs that `VideoWriter` writes, and what each holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace


@dataclass(frozen=True)
class Encoding:
    """A codec, the form of its pictures, and its settings."""

    codec: str
    #: For people.
    title: str
    #: Of colours; with alpha the form is that of the same name with an "a".
    pixel_format: str
    #: Endings of files that may hold it.
    suffixes: frozenset[str]
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    #: Sides are multiples of this many pixels: smaller ones grow by copies of the last row and column.
    multiple: int = 1
    #: What a pixel that is wholly there has in the plane of alpha; 0 where there is no such plane.
    full_alpha: int = 0
    #: The longest side that the codec takes.
    most_px: int = 16384

    @property
    def channels(self) -> int:
        """Of a picture: 3 for RGB, 4 with alpha."""
        return 4 if self.full_alpha else 3

    @property
    def stream_format(self) -> str:
        """The form of the pictures that the encoder gets."""
        return self.pixel_format.replace("yuv", "yuva") if self.full_alpha else self.pixel_format

    def frame(self, image: np.ndarray) -> av.VideoFrame:
        """(H, W, 3) uint8 RGB, or (H, W, 4) with alpha 0 or 255, as the encoder takes it, in BT.709."""
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[..., :3]), format="rgb24")
        colours = rgb.reformat(
            format=self.pixel_format, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        return self._with_alpha(colours, image[..., 3] > 127) if self.full_alpha else colours

    def _with_alpha(self, colours: av.VideoFrame, inside: np.ndarray) -> av.VideoFrame:
        """The same with a plane of alpha, written as it is: FFmpeg's conversion would blur it in odd sizes."""
        whole = av.VideoFrame(colours.width, colours.height, self.stream_format)
        planes: Any = whole.planes  # buffers, which PyAV's types do not tell
        given: Any = colours.planes
        for source, target in zip(given, planes, strict=False):
            rows = np.frombuffer(source, np.uint8).reshape(source.height, -1)
            target_rows = np.frombuffer(target, np.uint8).reshape(target.height, -1)
            used = min(rows.shape[1], target_rows.shape[1])
            target_rows[:, :used] = rows[:, :used]
        plane = planes[3]
        alpha = np.frombuffer(plane, np.uint8 if self.full_alpha < 256 else "<u2").reshape(plane.height, -1)
        alpha[:, : inside.shape[1]] = np.where(inside, self.full_alpha, 0)
        return whole


H264 = Encoding(
    "libx264",
    "h264",
    "yuv420p",
    frozenset({".mp4", ".m4v", ".mov", ".mkv"}),
    # With x264's macroblock tree the same frames become other bytes now and then (5 versions in 250 encodings on a busy
    # machine, 1 without it); a run that was continued must show what a run in one go shows.
    MappingProxyType({"preset": "veryfast", "crf": "20", "bf": "0", "threads": "2", "x264-params": "mbtree=0"}),
    multiple=2,
)
PRORES_4444 = Encoding(
    "prores_ks",
    "ProRes 4444",
    "yuv444p10le",
    frozenset({".mov"}),
    MappingProxyType({"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}),
    full_alpha=1023,
)
"""For editing: alpha is coded without loss."""
VP9_ALPHA = Encoding(
    "libvpx-vp9",
    "VP9",
    "yuv420p",
    frozenset({".webm"}),
    # Alpha goes through the same encoder as colours: only without loss does it come out as it went in.
    MappingProxyType({"lossless": "1", "auto-alt-ref": "0", "deadline": "good", "cpu-used": "5", "threads": "2"}),
    full_alpha=255,
)
"""For browsers."""
