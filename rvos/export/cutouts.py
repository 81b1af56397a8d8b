"""What was meant without the rest: pictures with alpha, videos with alpha, and other backgrounds.

What is shown is whatever any target of the run is on; `rvos export --only N` chooses among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from image_core.files import make_folder
from rvos.export import paths
from rvos.export.png import write_png
from rvos.export.records import mask_bytes
from rvos.types import Frame, FrameResult, Target, VideoInfo
from rvos.video.encoding import H264, Encoding
from rvos.video.writer import VideoWriter

_GREEN = (0, 177, 64)
"""Chroma-key green (RGB), as studios paint it."""
_BLUR_SHARE = 0.03
_RIM_PX = 16


def union(size: tuple[int, int], results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W) bool: where any target is."""
    whole = np.zeros(size, bool)
    for result in results:
        whole |= result.mask
    return whole


def with_alpha(frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W, 4) uint8: the frame, alpha 255 where any target is. Colours stay around it, so that codecs which share
    colours among neighbours take none from the outside; farther away all is black."""
    inside = mask_bytes(union(frame.size, results))
    near = cv2.dilate(inside, np.ones((2 * _RIM_PX + 1,) * 2, np.uint8))
    return np.dstack([frame.image * near[..., None], inside * np.uint8(255)])


def on_green(frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the targets before chroma-key green."""
    return np.where(union(frame.size, results)[..., None], frame.image, np.array(_GREEN, np.uint8))


def on_blur(frame: Frame, results: Sequence[FrameResult]) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the targets sharp, the rest out of focus. Nothing of a target is smeared into the rest."""
    sigma = max(1.0, _BLUR_SHARE * min(frame.size))
    rest = (~union(frame.size, results)).astype(np.float32)
    blurred = cv2.GaussianBlur(frame.image.astype(np.float32) * rest[..., None], (0, 0), sigma)
    weight = cv2.GaussianBlur(rest, (0, 0), sigma)
    around = np.clip(np.rint(blurred / np.maximum(weight, 1e-3)[..., None]), 0, 255).astype(np.uint8)
    return np.where(rest[..., None] > 0, around, frame.image)


class CutoutExporter:
    """`<frame index>.png`: RGBA, transparent where no target is, every colour as in the video where one is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        make_folder(self._folder)

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        write_png(self._folder / paths.picture_name(frame.index), with_alpha(frame, results))

    def close(self) -> list[Path]:
        return [self._folder]

    def abort(self) -> None:
        """Every picture is whole already."""


class MatteExporter:
    """A video that `picture` makes of every frame, at its time and size."""

    def __init__(
        self,
        path: Path,
        picture: Callable[[Frame, Sequence[FrameResult]], np.ndarray],
        encoding: Encoding = H264,
    ) -> None:
        self._path = path
        self._picture = picture
        self._encoding = encoding

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._writer = VideoWriter(
            self._path, info.size, rate=info.rate, pixel_aspect=info.pixel_aspect, encoding=self._encoding
        )

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        self._writer.write(self._picture(frame, results), frame.time_s)

    def close(self) -> list[Path]:
        self._writer.close()
        return [self._path]

    def abort(self) -> None:
        self._writer.close()
