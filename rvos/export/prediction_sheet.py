"""One image with examples of each family of expressions: the ground truth and the prediction side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from image_core.metrics import overlap
from image_core.sample import ImageSample
from rvos.export.painter import Painter
from rvos.export.png import write_png
from rvos.export.style import OVERLAY_STYLE
from rvos.export.text import line_height

_TILE_PX = 176
_GAP_PX = 8
_FONT_PX = 12
_BACKGROUND = 32
_PAINTER = Painter(OVERLAY_STYLE)


class PredictionSheet:
    """Collects the first `per_family` expressions of every family."""

    def __init__(self, per_family: int = 4) -> None:
        self.per_family = per_family
        self._tiles: dict[str, list[np.ndarray]] = {}

    def add(self, sample: ImageSample, masks: Sequence[np.ndarray], presence: Sequence[float]) -> None:
        """Add an image. sample: the image with its E expressions and true masks; masks: E predicted masks (H, W) bool;
        presence: E probabilities in [0, 1]."""
        for i, family in enumerate(sample.families):
            tiles = self._tiles.setdefault(family, [])
            if len(tiles) < self.per_family:
                tiles.append(_tile(sample.image, sample.expressions[i], sample.masks[i], masks[i], presence[i]))

    def write(self, path: Path) -> None:
        """Write a PNG with one row per family, or nothing if nothing was added. Raises `OutputError`."""
        if not self._tiles:
            return
        blank = np.full_like(next(iter(self._tiles.values()))[0], _BACKGROUND)
        rows = []
        for family, tiles in sorted(self._tiles.items()):
            header = np.full(
                (line_height(_FONT_PX + 2) + _GAP_PX, blank.shape[1] * self.per_family, 3), _BACKGROUND, np.uint8
            )
            _PAINTER.line(header, f"{family or 'all'}: truth | prediction", _FONT_PX + 2, (_GAP_PX // 2, 4))
            rows += [header, np.hstack(tiles + [blank] * (self.per_family - len(tiles)))]
        write_png(path, np.vstack(rows))


def _tile(image: np.ndarray, expression: str, truth: np.ndarray, prediction: np.ndarray, presence: float) -> np.ndarray:
    intersection, union = overlap(prediction, truth)
    score = f"IoU {intersection / union:.2f}" if union else "rightly absent"
    halves = []
    for mask in (truth, prediction):
        half = cv2.resize(image, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
        small_mask = cv2.resize(mask.view(np.uint8), (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_NEAREST)
        _PAINTER.masks(half, [small_mask.astype(bool)])
        halves.append(half)
    caption = np.full((2 * line_height(_FONT_PX), 2 * _TILE_PX, 3), _BACKGROUND, np.uint8)
    _PAINTER.line(caption, expression, _FONT_PX, (0, 4))
    _PAINTER.line(caption, f"{score}, presence {presence:.2f}", _FONT_PX, (line_height(_FONT_PX), 4))
    tile = np.vstack([np.hstack(halves), caption])
    return cv2.copyMakeBorder(tile, 0, _GAP_PX, 0, _GAP_PX, cv2.BORDER_CONSTANT, value=(_BACKGROUND,) * 3)
