"""The legend: which colour is which target, and which targets are not in this frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from rvos.export.drawing import Colour, Stamp, target_colour
from rvos.export.text import line_height, render_line, text_width, wrap

_WHITE: Colour = (255, 255, 255)
_GREY: Colour = (165, 165, 165)
_BACKDROP_ALPHA = 0.62
_MAX_LINES = 3
_HEIGHT_SHARE = 0.34
_WIDTH_SHARE = 0.6


def video_font_px(size: tuple[int, int]) -> int:
    """The height of letters on a video of `size` (height, width): readable at full screen, never below 9 px."""
    return max(9, round(min(size) * 0.034))


@dataclass(frozen=True)
class _Row:
    """One sentence, drawn for both of its states."""

    present: Stamp
    absent: Stamp


class Legend:
    """A panel of E rows: a swatch of the target's colour and its sentence ("the dog", "object 3"). Where a target is
    absent the swatch is hollow and crossed, the sentence grey.

    Sentences take up to three lines, fewer when the panel would outgrow its room, and end in … when cut; targets for
    which no line is left are counted in a last one ("+ 4 more").
    """

    def __init__(
        self,
        sentences: Sequence[str],
        max_size: tuple[int, int],
        font_px: int,
        backdrop_alpha: float = _BACKDROP_ALPHA,
    ) -> None:
        """`max_size` (height, width): the panel grows no further; one line is always drawn."""
        self._backdrop_alpha = backdrop_alpha
        self._pad = max(2, round(0.35 * font_px))
        self._font_px = font_px
        text_px = max(font_px, max_size[1] - 3 * self._pad - font_px)
        rows, left_out = _fit(
            sentences, font_px, text_px, max(1, (max_size[0] - 2 * self._pad) // line_height(font_px))
        )
        more = f"+ {left_out} more" if left_out else ""
        widest = max(text_width(line, font_px) for row in [*rows, [more]] for line in row)
        width = min(max_size[1], 3 * self._pad + font_px + widest)
        self._rows = [
            _Row(self._draw(row, e, True, width), self._draw(row, e, False, width)) for e, row in enumerate(rows)
        ]
        self._edge = Stamp((self._pad, width), backdrop_alpha)
        self._more = self._draw([more], None, False, width) if left_out else None
        heights = [row.present.size[0] for row in self._rows] + ([self._more.size[0]] if self._more else [])
        self.size = (sum(heights) + 2 * self._pad, width)

    def paint(self, image: np.ndarray, top_left: tuple[int, int], present: Sequence[bool]) -> None:
        """Draw the panel on `image` (H, W, 3), in place. `present`: one flag a target."""
        y, x = top_left
        shown = [row.present if here else row.absent for row, here in zip(self._rows, present, strict=False)]
        for stamp in [self._edge, *shown, *([self._more] if self._more else []), self._edge]:
            stamp.lay(image, (y, x))
            y += stamp.size[0]

    def _draw(self, lines: Sequence[str], target_index: int | None, present: bool, width: int) -> Stamp:
        step = line_height(self._font_px)
        stamp = Stamp((step * len(lines), width), self._backdrop_alpha)
        if target_index is not None:
            top = (step - self._font_px) // 2
            stamp.ink(_swatch(self._font_px, present), (top, self._pad), target_colour(target_index))
        for i, line in enumerate(lines):
            left = 2 * self._pad + self._font_px
            stamp.ink(render_line(line, self._font_px), (i * step, left), _WHITE if present else _GREY)
        return stamp


def paint_caption(image: np.ndarray, text: str, font_px: int, *, at: tuple[int, int], colour: Colour = _WHITE) -> None:
    """Write one line on a small dark panel on `image` (H, W, 3), in place, its upper left corner `at` (y, x), or moved
    from there as far as it takes to fit into the picture."""
    pad = max(2, round(0.3 * font_px))
    coverage = render_line(text, font_px)
    stamp = Stamp((line_height(font_px), coverage.shape[1] + 2 * pad), _BACKDROP_ALPHA)
    stamp.ink(coverage, (0, pad), colour)
    y, x = (max(0, min(at[i], image.shape[i] - stamp.size[i])) for i in (0, 1))
    stamp.lay(image, (y, x))


def paint_line(image: np.ndarray, text: str, font_px: int, at: tuple[int, int]) -> None:
    """Write one line in white straight on `image` (H, W, 3), in place, its upper left corner `at` (y, x); text that is
    too long for the picture ends in …"""
    (line,) = wrap(text, font_px, max(font_px, image.shape[1] - at[1]), 1)
    coverage = render_line(line, font_px)
    stamp = Stamp((coverage.shape[0], coverage.shape[1]), 0.0)
    stamp.ink(coverage, (0, 0), _WHITE)
    stamp.lay(image, at)


def video_legend(sentences: Sequence[str], size: tuple[int, int]) -> tuple[Legend, tuple[int, int]]:
    """The legend for a video of `size` (height, width), and its upper left corner: it stands in the lower left."""
    font_px = video_font_px(size)
    margin = font_px // 2 if min(size) >= 240 else 2
    # Sentences may take a third of the height; only to name every target may they take more, up to half.
    height = max(size[0] * _HEIGHT_SHARE, min(size[0] * 0.5, (len(sentences) + 1) * line_height(font_px)))
    width = min(size[1] - 2 * margin, max(size[1] * _WIDTH_SHARE, 24 * font_px))
    legend = Legend(sentences, (round(height), max(1, round(width))), font_px)
    return legend, (max(0, size[0] - margin - legend.size[0]), margin)


def _fit(sentences: Sequence[str], font_px: int, text_px: int, room: int) -> tuple[list[list[str]], int]:
    """The lines of each sentence, in at most `room` lines together, and how many sentences found no room.

    Every sentence has a line before one has two, and two before one has three.
    """
    if len(sentences) > room:
        shown = max(1, room - 1)
        return [wrap(sentence, font_px, text_px, 1) for sentence in sentences[:shown]], len(sentences) - shown
    whole = [wrap(sentence, font_px, text_px, _MAX_LINES) for sentence in sentences]
    allowed = [1] * len(sentences)
    for lines in range(2, _MAX_LINES + 1):
        for e, row in enumerate(whole):
            if len(row) >= lines and sum(allowed) < room:
                allowed[e] = lines
    return [wrap(sentence, font_px, text_px, n) for sentence, n in zip(sentences, allowed, strict=True)], 0


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
