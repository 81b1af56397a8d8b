"""The contact sheet: the whole video in one image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from rvos.export.base import frame_caption
from rvos.export.legend import Legend
from rvos.export.painter import Painter
from rvos.export.png import write_png
from rvos.export.style import OverlayStyle
from rvos.export.text import line_height
from rvos.types import Frame, FrameResult, Target, VideoInfo

_MAX_TILES = 24
_TILE_AREA_PX = 320 * 180
_SHEET_SHAPE = 16 / 9
_FONT_PX = 15
_CAPTION_PX = 13
_TITLE_PX = 18
_GAP_PX = 8
_MAX_LEGEND_PX = 1000


class ContactSheetExporter:
    """Evenly spaced frames with their masks, index and time, under a legend.

    The length of the video is known only at its end, so every frame is kept until there are too many, then every second
    one, every fourth, ...: 13 to 24 tiles of a long video.
    """

    def __init__(self, path: Path, style: OverlayStyle) -> None:
        self._path = path
        # The background is plain, so the legend needs no backdrop.
        self._painter = Painter(replace(style, backdrop_alpha=0.0))

    def open(self, info: VideoInfo, targets: Sequence[Target]) -> None:
        self._source = info.source
        self._names = [target.name for target in targets]
        self._frames_present = [0] * len(targets)
        self._frame_count = 0
        self._stride = 1
        self._tiles: list[np.ndarray] = []
        self._tile_size = _tile_size(info.size, info.pixel_aspect)

    def write(self, frame: Frame, results: Sequence[FrameResult]) -> None:
        for index, result in enumerate(results):
            self._frames_present[index] += result.present
        if self._frame_count % self._stride == 0:
            if len(self._tiles) == _MAX_TILES:
                del self._tiles[1::2]
                self._stride *= 2
            # _MAX_TILES is even, so the index of the next frame is a multiple of the doubled stride, too.
            self._tiles.append(_tile(frame, results, self._tile_size, self._painter))
        self._frame_count += 1

    def close(self) -> list[Path]:
        write_png(self._path, self._sheet())
        return [self._path]

    def abort(self) -> None:
        if self._frame_count:
            self.close()

    def _sheet(self) -> np.ndarray:
        """The header and the grid, (H, W, 3) uint8 RGB."""
        height, width = self._tile_size[0] + line_height(_CAPTION_PX), self._tile_size[1]
        columns = _columns(len(self._tiles), (height, width))
        rows = math.ceil(len(self._tiles) / columns)
        sheet_width = max(columns * (width + _GAP_PX) + _GAP_PX, 480)
        header = self._header(sheet_width)
        grid = np.full((rows * (height + _GAP_PX), sheet_width, 3), self._painter.style.background, np.uint8)
        for i, tile in enumerate(self._tiles):
            y, x = i // columns * (height + _GAP_PX), _GAP_PX + i % columns * (width + _GAP_PX)
            grid[y : y + height, x : x + width] = tile
        return np.vstack([header, grid])

    def _header(self, width: int) -> np.ndarray:
        every = f", one in {self._stride} shown" if self._stride > 1 else ""
        frames = f"{self._frame_count} frame{'s' if self._frame_count != 1 else ''}"
        title = f"{Path(self._source).name} · {frames}{every}"
        names = [
            f"{name}  (in {present} of {frames})"
            for name, present in zip(self._names, self._frames_present, strict=True)
        ]
        legend = Legend(names, (_MAX_LEGEND_PX, width - 2 * _GAP_PX), _FONT_PX, self._painter.style)
        top = 2 * _GAP_PX + line_height(_TITLE_PX)
        header = np.full((top + legend.size[0] + _GAP_PX, width, 3), self._painter.style.background, np.uint8)
        self._painter.line(header, title, _TITLE_PX, (_GAP_PX, _GAP_PX + 5))
        legend.paint(header, (top, _GAP_PX), [count > 0 for count in self._frames_present])
        return header


def _tile_size(video_size: tuple[int, int], pixel_aspect: float) -> tuple[int, int]:
    """(height, width) of the tiles: the aspect ratio of the video as displayed, and the same area for all videos."""
    height, width = video_size[0], video_size[1] * pixel_aspect
    scale = math.sqrt(_TILE_AREA_PX / (height * width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _columns(tile_count: int, tile_size: tuple[int, int]) -> int:
    """The number of columns for a sheet with about the aspect ratio of a screen and a nearly full last row."""

    def cost(columns: int) -> float:
        rows = math.ceil(tile_count / columns)
        shape = math.log(columns * tile_size[1] / (rows * tile_size[0]) / _SHEET_SHAPE)
        return shape**2 + (rows * columns - tile_count) / columns

    return min(range(1, max(1, tile_count) + 1), key=cost)


def _tile(frame: Frame, results: Sequence[FrameResult], size: tuple[int, int], painter: Painter) -> np.ndarray:
    """A frame, scaled down, with its caption below."""
    height, width = size
    smaller = height * width < frame.size[0] * frame.size[1]
    image = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    painter.masks(image, [_resized(result.mask, size) for result in results])
    caption = np.full((line_height(_CAPTION_PX), width, 3), painter.style.background, np.uint8)
    painter.line(caption, frame_caption(frame), _CAPTION_PX, (0, 2))
    return np.vstack([image, caption])


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask, resized; a pixel is in the mask if at least half of it is covered."""
    scaled = cv2.resize(mask.view(np.uint8) * np.uint8(255), (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return scaled > 127
