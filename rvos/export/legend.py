"""The legend: the colour of each target, and which targets are absent on this frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from rvos.export.alpha_patch import AlphaPatch
from rvos.export.style import OverlayStyle
from rvos.export.text import line_height, render_line, text_width, wrap

_MAX_NAME_LINES = 3
_HEIGHT_FRACTION = 0.34
_WIDTH_FRACTION = 0.6


def video_font_px(size: tuple[int, int]) -> int:
    """The font size in pixels on a video of `size` (height, width): readable at full screen, never below 9 px."""
    return max(9, round(min(size) * 0.034))


@dataclass(frozen=True)
class _Row:
    """One name, drawn for both of its states."""

    present: AlphaPatch
    absent: AlphaPatch


class Legend:
    """A panel of E rows: a swatch of the target's colour and its name ("the dog", "object 3"). For an absent target
    the swatch is hollow and crossed, and the name has the colour `OverlayStyle.absent_text`.

    Names take up to three lines, or fewer if the panel would become too large, and end in … if they are cropped.
    Targets for which no line is left are counted in a last one ("+ 4 more").
    """

    def __init__(self, names: Sequence[str], max_size: tuple[int, int], font_px: int, style: OverlayStyle) -> None:
        """`max_size` (height, width): the largest size of the panel; one line is always drawn."""
        self._style = style
        self._pad = max(2, round(0.35 * font_px))
        self._font_px = font_px
        text_px = max(font_px, max_size[1] - 3 * self._pad - font_px)
        rows, omitted = _fit_names(
            names, font_px, text_px, max(1, (max_size[0] - 2 * self._pad) // line_height(font_px))
        )
        more = f"+ {omitted} more" if omitted else ""
        widest = max(text_width(line, font_px) for row in [*rows, [more]] for line in row)
        width = min(max_size[1], 3 * self._pad + font_px + widest)
        self._rows = [
            _Row(self._draw(row, e, True, width), self._draw(row, e, False, width)) for e, row in enumerate(rows)
        ]
        self._edge = AlphaPatch((self._pad, width), style.backdrop_alpha)
        self._more = self._draw([more], None, False, width) if omitted else None
        heights = [row.present.size[0] for row in self._rows] + ([self._more.size[0]] if self._more else [])
        self.size = (sum(heights) + 2 * self._pad, width)

    def paint(self, image: np.ndarray, top_left: tuple[int, int], present: Sequence[bool]) -> None:
        """Draw the panel on `image` (H, W, 3), in place. `present`: one flag per target."""
        y, x = top_left
        shown = [row.present if here else row.absent for row, here in zip(self._rows, present, strict=False)]
        for patch in [self._edge, *shown, *([self._more] if self._more else []), self._edge]:
            patch.blend(image, (y, x))
            y += patch.size[0]

    def _draw(self, lines: Sequence[str], target_index: int | None, present: bool, width: int) -> AlphaPatch:
        step = line_height(self._font_px)
        patch = AlphaPatch((step * len(lines), width), self._style.backdrop_alpha)
        if target_index is not None:
            top = (step - self._font_px) // 2
            patch.fill(_swatch(self._font_px, present), (top, self._pad), self._style.colour_of(target_index))
        left = 2 * self._pad + self._font_px
        for i, line in enumerate(lines):
            colour = self._style.text if present else self._style.absent_text
            patch.fill(render_line(line, self._font_px), (i * step, left), colour)
        return patch


def video_legend(names: Sequence[str], size: tuple[int, int], style: OverlayStyle) -> tuple[Legend, tuple[int, int]]:
    """The legend for a video of `size` (height, width), and its upper left corner (y, x), in the lower left."""
    font_px = video_font_px(size)
    margin = font_px // 2 if min(size) >= 240 else 2
    # The legend takes at most a third of the height, or up to half if needed to name every target.
    height = max(size[0] * _HEIGHT_FRACTION, min(size[0] * 0.5, (len(names) + 1) * line_height(font_px)))
    width = min(size[1] - 2 * margin, max(size[1] * _WIDTH_FRACTION, 24 * font_px))
    legend = Legend(names, (round(height), max(1, round(width))), font_px, style)
    return legend, (max(0, size[0] - margin - legend.size[0]), margin)


def _fit_names(names: Sequence[str], font_px: int, text_px: int, max_lines: int) -> tuple[list[list[str]], int]:
    """The lines of each name, in at most `max_lines` lines together, and how many names are omitted.

    Every name has a line before one has two, and two before one has three.
    """
    if len(names) > max_lines:
        shown = max(1, max_lines - 1)
        return [wrap(name, font_px, text_px, 1) for name in names[:shown]], len(names) - shown
    whole = [wrap(name, font_px, text_px, _MAX_NAME_LINES) for name in names]
    allowed = [1] * len(names)
    for lines in range(2, _MAX_NAME_LINES + 1):
        for e, row in enumerate(whole):
            if len(row) >= lines and sum(allowed) < max_lines:
                allowed[e] = lines
    return [wrap(name, font_px, text_px, n) for name, n in zip(names, allowed, strict=True)], 0


def _swatch(side_px: int, present: bool) -> np.ndarray:
    """(side, side) uint8 coverage: full where present, else hollow and crossed."""
    if present:
        return np.full((side_px, side_px), 255, np.uint8)
    swatch = np.zeros((side_px, side_px), np.uint8)
    line = max(1, side_px // 9)
    inner, last = line // 2, side_px - 1 - line // 2
    cv2.rectangle(swatch, (inner, inner), (last, last), (255,), line)
    cv2.line(swatch, (inner, last), (last, inner), (255,), line, cv2.LINE_AA)
    return swatch
