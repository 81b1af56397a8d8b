"""The video encodings that `VideoWriter` writes."""

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
    """A codec, its pixel format, and its settings."""

    codec: str
    #: Name of the codec in messages.
    title: str
    #: Pixel format without alpha; with alpha the encoder gets the format of the same name with an "a".
    pixel_format: str
    #: Suffixes of the files that may contain it.
    suffixes: frozenset[str]
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    #: Sides are multiples of this many pixels: smaller ones grow by copies of the last row and column.
    side_multiple: int = 1
    #: Alpha value of an opaque pixel; 0 for an encoding without alpha.
    opaque_alpha: int = 0
    #: Longest side in pixels that the codec supports.
    max_px: int = 16384

    @property
    def channels(self) -> int:
        """Channels of an image: 3 for RGB, 4 with alpha."""
        return 4 if self.opaque_alpha else 3

    @property
    def stream_pixel_format(self) -> str:
        """The pixel format of the frames that the encoder gets."""
        return self.pixel_format.replace("yuv", "yuva") if self.opaque_alpha else self.pixel_format

    def frame(self, image: np.ndarray) -> av.VideoFrame:
        """(H, W, 3) uint8 RGB, or (H, W, 4) with alpha 0 or 255, as the encoder takes it, in BT.709."""
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[..., :3]), format="rgb24")
        colours = rgb.reformat(
            format=self.pixel_format, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        return self._with_alpha(colours, image[..., 3] > 127) if self.opaque_alpha else colours

    def _with_alpha(self, colours: av.VideoFrame, inside: np.ndarray) -> av.VideoFrame:
        """The same with an alpha plane, copied without conversion: FFmpeg's would blur it in odd sizes."""
        whole = av.VideoFrame(colours.width, colours.height, self.stream_pixel_format)
        planes: Any = whole.planes  # buffers, which PyAV's types do not declare
        given: Any = colours.planes
        for source, target in zip(given, planes, strict=False):
            rows = np.frombuffer(source, np.uint8).reshape(source.height, -1)
            target_rows = np.frombuffer(target, np.uint8).reshape(target.height, -1)
            used = min(rows.shape[1], target_rows.shape[1])
            target_rows[:, :used] = rows[:, :used]
        plane = planes[3]
        alpha = np.frombuffer(plane, np.uint8 if self.opaque_alpha < 256 else "<u2").reshape(plane.height, -1)
        alpha[:, : inside.shape[1]] = np.where(inside, self.opaque_alpha, 0)
        return whole


H264 = Encoding(
    "libx264",
    "h264",
    "yuv420p",
    frozenset({".mp4", ".m4v", ".mov", ".mkv"}),
    # With x264's macroblock tree the same frames become other bytes now and then (5 versions in 250 encodings on a busy
    # machine, 1 without it); a continued run must write the same bytes as an uninterrupted one.
    MappingProxyType({"preset": "veryfast", "crf": "20", "bf": "0", "threads": "2", "x264-params": "mbtree=0"}),
    side_multiple=2,
)
PRORES_4444 = Encoding(
    "prores_ks",
    "ProRes 4444",
    "yuv444p10le",
    frozenset({".mov"}),
    MappingProxyType({"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}),
    opaque_alpha=1023,
)
"""For editing: alpha is coded without loss."""
VP9_ALPHA = Encoding(
    "libvpx-vp9",
    "VP9",
    "yuv420p",
    frozenset({".webm"}),
    # Alpha goes through the same encoder as colours: only without loss does it come out as it went in.
    MappingProxyType({"lossless": "1", "auto-alt-ref": "0", "deadline": "good", "cpu-used": "5", "threads": "2"}),
    opaque_alpha=255,
)
"""For browsers."""
