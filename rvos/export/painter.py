"""Drawing on images: masks, boxes, lines of text."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from image_core.geometry.masks import overlap
from rvos.export.alpha_patch import AlphaPatch
from rvos.export.legend import video_font_px
from rvos.export.records import mask_bytes
from rvos.export.style import Colour, OverlayStyle
from rvos.export.text import line_height, render_line, wrap
from rvos.types import FrameResult

_SAME_IOU = 0.9
"""Masks with at least this IoU share one outline, since their outlines would cover each other."""

_SAME_BOX_PX = 8
"""Largest distance between the sides of the boxes of such masks."""

_DASH_WIDTHS = 12
"""Length of a dash of a shared outline, as a multiple of the line width."""


class Painter:
    """Draws on images (H, W, 3) uint8 RGB, in place, in one style."""

    def __init__(self, style: OverlayStyle) -> None:
        self.style = style

    def masks(self, image: np.ndarray, masks: Sequence[np.ndarray]) -> None:
        """Draw E masks (H, W) bool: dim the pixels outside all masks if the style says so, then draw transparent fills,
        then outlines over all fills.

        Mask i has the colour of target i; an empty mask is not drawn. Masks that cover nearly the same pixels share one
        outline, in dashes of their colours, because the last would hide the others.
        """
        if self.style.dim:
            self.dim_background(image, masks)
        width = self.style.outline_px(image.shape[:2])
        for index, mask in enumerate(masks):
            self.fill(image, mask, self.style.colour_of(index))
        for group in _groups_of_same(masks) if width else ():
            for phase, index in enumerate(group):
                self.outline(image, masks[index], self.style.colour_of(index), width, (phase, len(group)))

    def dim_background(self, image: np.ndarray, masks: Sequence[np.ndarray]) -> None:
        """Darken every pixel that is in none of `masks` (H, W) bool."""
        rest = np.ones(image.shape[:2], bool)
        for mask in masks:
            rest &= ~mask
        darker = cv2.LUT(image, _fill_table((0, 0, 0), self.style.dim))
        cv2.copyTo(darker, mask_bytes(rest), image)

    def marks(self, image: np.ndarray, results: Sequence[FrameResult], names: Sequence[str]) -> None:
        """Draw boxes, names and track ids, as the style says, in the colours of their targets."""
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
        self, image: np.ndarray, mask: np.ndarray, colour: Colour, width_px: int, phase: tuple[int, int] = (0, 1)
    ) -> None:
        """Draw the edges of `mask` (H, W) bool, also of its holes, with a dark rim if wider than one pixel.

        phase: (i, n) draws every n-th dash, starting with the i-th; phase 0 also draws the whole rim."""
        inside, (y, x) = _cropped(mask)
        if not inside.size:
            return
        first, of = phase
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
        """Write one line on a small dark panel, with its upper left corner at `at` (y, x), or moved to fit into the
        image. colour: of the text, None for the style's."""
        pad = max(2, round(0.3 * font_px))
        coverage = render_line(text, font_px)
        patch = AlphaPatch((line_height(font_px), coverage.shape[1] + 2 * pad), self.style.backdrop_alpha)
        patch.fill(coverage, (0, pad), self.style.text if colour is None else colour)
        y, x = (max(0, min(at[i], image.shape[i] - patch.size[i])) for i in (0, 1))
        patch.blend(image, (y, x))

    def line(self, image: np.ndarray, text: str, font_px: int, at: tuple[int, int]) -> None:
        """Write one line directly on the image, with its upper left corner at `at` (y, x). Text that is too long
        for the image is cropped and ends in …"""
        (line,) = wrap(text, font_px, max(font_px, image.shape[1] - at[1]), 1)
        coverage = render_line(line, font_px)
        patch = AlphaPatch((coverage.shape[0], coverage.shape[1]), 0.0)
        patch.fill(coverage, (0, 0), self.style.text)
        patch.blend(image, at)


@functools.lru_cache(maxsize=32)
def _fill_table(colour: Colour, alpha: float) -> np.ndarray:
    """(1, 256, 3) uint8: the lookup table of the fill, for each channel."""
    values = np.arange(256, dtype=np.float32)[:, None]
    return np.rint(values * (1 - alpha) + np.array(colour, np.float32) * alpha).astype(np.uint8)[None]


def _box(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """[x0, y0, x1, y1) around a mask (H, W) bool; None where it is empty."""
    x, y, w, h = cv2.boundingRect(mask_bytes(mask))
    return (x, y, x + w, y + h) if w else None


def _groups_of_same(masks: Sequence[np.ndarray]) -> list[list[int]]:
    """Groups of positions of masks (H, W) bool that cover nearly the same pixels. Any other mask is a group of one."""
    groups: list[list[int]] = []
    boxes = [_box(mask) for mask in masks]
    for index, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        for group in groups:
            other = boxes[group[0]]
            # Boxes are compared first, which is cheap and enough for masks of different objects.
            if box and other and max(abs(np.subtract(box, other))) <= _SAME_BOX_PX:
                intersection, union = overlap(mask, masks[group[0]])
                if intersection >= _SAME_IOU * union:
                    group.append(index)
                    break
        else:
            groups.append([index])
    return groups


def _cropped(mask: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The part of `mask` (H, W) bool inside its box as uint8 0/1, and the upper left corner (y, x); empty if the
    mask is empty. This makes drawing small masks on large frames fast."""
    whole = mask_bytes(mask)
    x, y, w, h = cv2.boundingRect(whole)
    return whole[y : y + h, x : x + w], (y, x)
