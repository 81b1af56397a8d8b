"""Masks packed 64 pixels to a word: counting, outlining and dilating, which J and F need, then take few passes over few
words. Their speed against the dilation of unpacked masks is measured in `benchmarks/speed/metric_speed.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

WORD_PX = 64
_WORD = np.dtype("<u8")
"""Little-endian on every machine, so that bit k of a word is the k-th pixel from the left."""


@dataclass(frozen=True)
class Bitmaps:
    """N masks of one image, or of one part of it.

    words: (N, H, S) uint64, bit k of words[n, y, i] is the pixel (y, 64 i + k); bits beyond the image are 0;
    last_column: the last column of the image, counted from the first bit; it may lie beyond the words of a part.
    """

    words: np.ndarray
    last_column: int

    def __post_init__(self) -> None:
        if self.words.ndim != 3 or self.words.dtype != _WORD:
            raise ValueError(f"Bitmaps.words: expected uint64 (N, H, S), got {self.words.dtype} {self.words.shape}")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels, of bitmaps that cover a whole image."""
        return self.words.shape[1], self.last_column + 1

    def without(self, void: Bitmaps) -> Bitmaps:
        """The same masks with the pixels of `void` (one mask, or N) taken out."""
        return Bitmaps(self.words & ~void.words, self.last_column)


def pack(masks: np.ndarray) -> Bitmaps:
    """(N, H, W) bool -> N bitmaps of the whole image. Raises `ValueError` on anything else."""
    if masks.ndim != 3 or masks.dtype != np.bool_ or not all(masks.shape[1:]):
        raise ValueError(f"masks: expected bool (N, H, W) of at least 1 x 1 px, got {masks.dtype} {masks.shape}")
    count, height, width = masks.shape
    octets = np.zeros((count, height, 8 * -(-width // WORD_PX)), np.uint8)
    octets[:, :, : -(-width // 8)] = np.packbits(masks, axis=-1, bitorder="little")
    return Bitmaps(octets.view(_WORD), width - 1)


def count_pixels(words: np.ndarray) -> np.ndarray:
    """(..., H, S) words -> (...) int64, the pixels that are set."""
    return np.bitwise_count(words).sum((-2, -1), dtype=np.int64)


def crop_together(first: Bitmaps, second: Bitmaps, margin_px: int) -> Bitmaps:
    """The masks of `first`, then those of `second`, cropped to the smallest part that holds all their outlines.

    One more row and column than the union of the masks covers is kept above, left and below where the image has
    them, because outline pixels lie there; right of it at least `margin_px` empty columns are added for `dilate`.
    """
    covered = np.bitwise_or.reduce(first.words, axis=0) | np.bitwise_or.reduce(second.words, axis=0)
    in_column = np.bitwise_or.reduce(covered, axis=0)
    rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(in_column)
    margin = -(-margin_px // WORD_PX)
    n = len(first.words)
    if not len(rows):
        return Bitmaps(np.zeros((n + len(second.words), 1, 1 + margin), _WORD), first.last_column)
    top, bottom = max(rows[0] - 1, 0), rows[-1] + 2
    left, right = int(columns[0]), columns[-1] + 1
    if left and in_column[left] & _WORD.type(1):  # its outline lies one column further left, in the word before
        left -= 1
    part = np.s_[:, top:bottom, left:right]
    height, width = covered[part[1:]].shape
    words = np.zeros((n + len(second.words), height, width + margin), _WORD)
    words[:n, :, :width] = first.words[part]
    words[n:, :, :width] = second.words[part]
    return Bitmaps(words, first.last_column - WORD_PX * left)


def outlines(masks: Bitmaps) -> Bitmaps:
    """The pixels that differ from their neighbour to the east, the south or the south-east.

    Neighbours outside the image are taken to be the nearest inside, which makes the last row compare east only, the
    last column south only and the last pixel nothing, as the DAVIS evaluation does (`_seg2bmap`). So the outline lies
    half a pixel up and left of the border, and a mask that fills the image has none.
    """
    words = masks.words
    east = words >> _WORD.type(1)
    east[:, :, :-1] |= words[:, :, 1:] << _WORD.type(WORD_PX - 1)
    last, bit = divmod(masks.last_column, WORD_PX)
    if last < words.shape[2]:
        east[:, :, last] |= words[:, :, last] & _WORD.type(1 << bit)
    lines = words ^ east
    lines[:, :-1] |= words[:, :-1] ^ words[:, 1:]
    lines[:, :-1] |= words[:, :-1] ^ east[:, 1:]
    return Bitmaps(lines, masks.last_column)


def dilate(masks: Bitmaps, radius_px: int) -> Bitmaps:
    """The pixels at most `radius_px` (Euclidean, whole) from a pixel of each mask.

    The masks must come from `crop_together` with at least this margin: rows are widened end to end, and only the margin
    between them keeps one from running into the next. The values in the margin are not valid.

    A disc is a stack of rows, dy above or below the centre and up to sqrt(r^2 - dy^2) to each side: the masks are
    widened little by little, from the disc's outermost row to its middle, and each width is laid dy up and down.
    """
    widened, reach_px = masks.words, 0
    height = widened.shape[1]
    dilated = np.zeros_like(widened)
    for dy in range(radius_px, 0, -1):
        widened, reach_px = _widen(widened, reach_px, math.isqrt(radius_px**2 - dy**2))
        if dy < height:
            dilated[:, dy:] |= widened[:, :-dy]
            dilated[:, :-dy] |= widened[:, dy:]
    widened, _ = _widen(widened, reach_px, radius_px)
    return Bitmaps(dilated | widened, masks.last_column)


def _widen(words: np.ndarray, reach_px: int, target_px: int) -> tuple[np.ndarray, int]:
    """Masks whose every pixel was spread `reach_px` to the left and the right -> the same spread `target_px`."""
    count, height, row_words = words.shape
    while reach_px < target_px:
        # a step beyond the reach would leave gaps, and one of a whole word would not be a shift within words
        step = min(target_px - reach_px, max(reach_px, 1), WORD_PX - 1)
        near, far = _WORD.type(step), _WORD.type(WORD_PX - step)
        flat = words.reshape(count, height * row_words)
        wider = flat << near
        wider |= flat >> near
        wider |= flat
        wider[:, 1:] |= flat[:, :-1] >> far
        wider[:, :-1] |= flat[:, 1:] << far
        words, reach_px = wider.reshape(words.shape), reach_px + step
    return words, reach_px
