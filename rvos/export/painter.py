"""Every mark that is made on a picture: masks, boxes, lines of text."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from image_core.geometry.masks import overlap
from rvos.export.legend import video_font_px
from rvos.export.records import mask_bytes
from rvos.export.stamp import Stamp
from rvos.export.style import Colour, OverlayStyle
from rvos.export.text import line_height, render_line, wrap
from rvos.types import FrameResult

_ALIKE_IOU = 0.9
"""From here on two masks cover the same: their outlines would lie on each other."""

_ALIKE_PX = 8
"""How far the sides of their boxes may be apart."""

_DASH_WIDTHS = 12
"""A dash of a shared outline is so many widths of the line long."""


class Painter:
    """Draws on pictures (H, W, 3) uint8 RGB, in place, in one style."""

    def __init__(self, style: OverlayStyle) -> None:
        self.style = style

    def masks(self, image: np.ndarray, masks: Sequence[np.ndarray]) -> None:
        """Draw E masks (H, W) bool: fills that let the picture through, then sharp outlines over all fills, and what is
        in none of them dimmed where the style says so.

        Mask i has the colour of target i; an empty one leaves no mark. Masks that cover the same share one outline, in
        dashes of their colours: the later would hide the earlier.
        """
        if self.style.dim:
            self.dim_rest(image, masks)
        width = self.style.outline_px(image.shape[:2])
        for index, mask in enumerate(masks):
            self.fill(image, mask, self.style.colour_of(index))
        for group in _alike(masks) if width else ():
            for turn, index in enumerate(group):
                self.outline(image, masks[index], self.style.colour_of(index), width, (turn, len(group)))

    def dim_rest(self, image: np.ndarray, masks: Sequence[np.ndarray]) -> None:
        """Darken every pixel that is in none of `masks` (H, W) bool."""
        rest = np.ones(image.shape[:2], bool)
        for mask in masks:
            rest &= ~mask
        darker = cv2.LUT(image, _fill_table((0, 0, 0), self.style.dim))
        cv2.copyTo(darker, mask_bytes(rest), image)

    def marks(self, image: np.ndarray, results: Sequence[FrameResult], names: Sequence[str]) -> None:
        """Draw what the style wants beside masks: boxes, names and ids of tracks, in the colours of their targets."""
        font_px = video_font_px(image.shape[:2])
        for result in results:
            box, colour = _box(result.mask), self.style.colour_of(result.expression_index)
            if box is None:
                continue
            if self.style.boxes:
                self.box(image, box, colour)
            if self.style.labels:
                (name,) = wrap(names[result.expression_index], font_px, max(4 * font_px, image.shape[1] // 3), 1)
                self.caption(image, name, font_px, at=(box[1] - line_height(font_px), box[0]), colour=colour)
            for track_id, mask in result.track_masks.items() if self.style.ids else ():
                inside = _box(mask)
                if inside is not None:
                    x, y = (inside[0] + inside[2] - font_px) // 2, (inside[1] + inside[3] - line_height(font_px)) // 2
                    self.caption(image, str(track_id), font_px, at=(y, x), colour=colour)

    def fill(self, image: np.ndarray, mask: np.ndarray, colour: Colour) -> None:
        """Tint the pixels of `mask` (H, W) bool."""
        inside, (y, x) = _cropped(mask)
        region = image[y : y + inside.shape[0], x : x + inside.shape[1]]
        if region.size:
            cv2.copyTo(cv2.LUT(region, _fill_table(colour, self.style.fill_alpha)), inside, region)

    def outline(
        self, image: np.ndarray, mask: np.ndarray, colour: Colour, width_px: int, turn: tuple[int, int] = (0, 1)
    ) -> None:
        """Draw the edges of `mask` (H, W) bool, those of its holes too; wider than a pixel they get a dark rim.

        turn: (i, n) draws every n-th dash from the i-th on; the first turn also draws the rim of all of them."""
        inside, (y, x) = _cropped(mask)
        if not inside.size:
            return
        first, of = turn
        every_point = cv2.CHAIN_APPROX_SIMPLE if of == 1 else cv2.CHAIN_APPROX_NONE
        contours, _ = cv2.findContours(inside, cv2.RETR_LIST, every_point, offset=(x, y))
        if width_px > 1 and first == 0:
            cv2.drawContours(image, contours, -1, self.style.halo, width_px + 2, cv2.LINE_8)
        if of == 1:
            cv2.drawContours(image, contours, -1, colour, width_px, cv2.LINE_AA)
            return
        px = _DASH_WIDTHS * width_px
        dashes = [c[start : start + px + 1] for c in contours for start in range(first * px, len(c), of * px)]
        cv2.polylines(image, dashes, False, colour, width_px, cv2.LINE_AA)

    def box(self, image: np.ndarray, box_xyxy: tuple[int, int, int, int], colour: Colour) -> None:
        """Draw the outline of [x0, y0, x1, y1)."""
        x0, y0, x1, y1 = box_xyxy
        cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), colour, max(1, self.style.outline_px(image.shape[:2])))

    def caption(
        self, image: np.ndarray, text: str, font_px: int, *, at: tuple[int, int], colour: Colour | None = None
    ) -> None:
        """Write one line on a small dark panel, its upper left corner `at` (y, x), or moved from there as far as it
        takes to fit into the picture. colour: of the letters, None for the style's."""
        pad = max(2, round(0.3 * font_px))
        coverage = render_line(text, font_px)
        stamp = Stamp((line_height(font_px), coverage.shape[1] + 2 * pad), self.style.backdrop_alpha)
        stamp.ink(coverage, (0, pad), self.style.text if colour is None else colour)
        y, x = (max(0, min(at[i], image.shape[i] - stamp.size[i])) for i in (0, 1))
        stamp.lay(image, (y, x))

    def line(self, image: np.ndarray, text: str, font_px: int, at: tuple[int, int]) -> None:
        """Write one line straight on the picture, its upper left corner `at` (y, x); text that is too long for the
        picture ends in …"""
        (line,) = wrap(text, font_px, max(font_px, image.shape[1] - at[1]), 1)
        coverage = render_line(line, font_px)
        stamp = Stamp((coverage.shape[0], coverage.shape[1]), 0.0)
        stamp.ink(coverage, (0, 0), self.style.text)
        stamp.lay(image, at)


@functools.lru_cache(maxsize=32)
def _fill_table(colour: Colour, alpha: float) -> np.ndarray:
    """(1, 256, 3) uint8: what each value of each channel becomes under the fill."""
    values = np.arange(256, dtype=np.float32)[:, None]
    return np.rint(values * (1 - alpha) + np.array(colour, np.float32) * alpha).astype(np.uint8)[None]


def _box(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """[x0, y0, x1, y1) around a mask (H, W) bool; None where it is empty."""
    x, y, w, h = cv2.boundingRect(mask_bytes(mask))
    return (x, y, x + w, y + h) if w else None


def _alike(masks: Sequence[np.ndarray]) -> list[list[int]]:
    """Positions of masks (H, W) bool in groups that cover the same, nearly; a mask like no other is a group of one."""
    groups: list[list[int]] = []
    boxes = [_box(mask) for mask in masks]
    for index, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        for group in groups:
            other = boxes[group[0]]
            # Boxes first: they are at hand, and masks of other objects differ in them.
            if box and other and max(abs(np.subtract(box, other))) <= _ALIKE_PX:
                intersection, union = overlap(mask, masks[group[0]])
                if intersection >= _ALIKE_IOU * union:
                    group.append(index)
                    break
        else:
            groups.append([index])
    return groups


def _cropped(mask: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The part of `mask` (H, W) bool inside its box as uint8 0/1, and the upper left corner (y, x); empty where the
    mask is. Work on the part alone is what makes small masks on large frames cheap."""
    whole = mask_bytes(mask)
    x, y, w, h = cv2.boundingRect(whole)
    return whole[y : y + h, x : x + w], (y, x)
