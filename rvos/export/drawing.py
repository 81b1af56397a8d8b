"""The colours of targets, and every mark that is made on a picture."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from rvos.export.records import mask_bytes

Colour = tuple[int, int, int]

# The seven hues of Okabe and Ito ("Color Universal Design", 2008), told apart by colour-blind people too, those far
# from grass, sky and skin first. Beyond seven the same hues come back lighter, then darker.
_HUES: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (204, 121, 167),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (0, 114, 178),
)
_SHADES = ((1.0, 0.0), (0.5, 127.5), (0.55, 0.0))
_FILL_ALPHA = 0.45
_HALO: Colour = (20, 20, 20)


def target_colour(target_index: int) -> Colour:
    """The RGB colour of a target; 21 are distinct, then they repeat."""
    r, g, b = _HUES[target_index % len(_HUES)]
    scale, lift = _SHADES[target_index // len(_HUES) % len(_SHADES)]
    return round(scale * r + lift), round(scale * g + lift), round(scale * b + lift)


def davis_palette() -> np.ndarray:
    """(256, 3) uint8, the colour of each id in the PNGs of PASCAL VOC and DAVIS: the bits of the id, dealt to R, G, B
    in turn, highest colour bit first."""
    ids = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((ids >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return palette


def contour_px(size: tuple[int, int]) -> int:
    """The width of outlines on a picture of `size` (height, width)."""
    return max(1, round(min(size) / 270))


def paint_masks(image: np.ndarray, masks: Sequence[np.ndarray]) -> None:
    """Draw E masks (H, W) bool on `image` (H, W, 3) uint8 RGB, in place: a fill that lets the picture through, then
    sharp outlines over all fills. Mask i has the colour of target i; an empty one leaves no mark."""
    width = contour_px(image.shape[:2])
    outlines: list[tuple[Sequence[np.ndarray], tuple[int, int], Colour]] = []
    for target_index, mask in enumerate(masks):
        whole = mask_bytes(mask)
        x, y, w, h = cv2.boundingRect(whole)
        if w == 0:
            continue
        colour = target_colour(target_index)
        inside, region = whole[y : y + h, x : x + w], image[y : y + h, x : x + w]
        cv2.copyTo(cv2.LUT(region, _fill_table(colour)), inside, region)
        contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        outlines.append((contours, (x, y), colour))
    for contours, offset, colour in outlines:
        if width > 1:
            cv2.drawContours(image, contours, -1, _HALO, width + 2, cv2.LINE_8, offset=offset)
        cv2.drawContours(image, contours, -1, colour, width, cv2.LINE_AA, offset=offset)


def paint_box(image: np.ndarray, box_xyxy: tuple[int, int, int, int], colour: Colour) -> None:
    """Draw the outline of [x0, y0, x1, y1) on `image`, in place."""
    x0, y0, x1, y1 = box_xyxy
    cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), colour, contour_px(image.shape[:2]))


class Stamp:
    """A picture with transparency, made once and laid on many frames."""

    def __init__(self, size: tuple[int, int], backdrop_alpha: float) -> None:
        """`size` (height, width); `backdrop_alpha` in [0, 1]: how much black covers what lies below."""
        self.size = size
        self._colour = np.zeros((*size, 3), np.float32)
        self._through = np.full((*size, 1), 1 - backdrop_alpha, np.float32)

    def ink(self, coverage: np.ndarray, top_left: tuple[int, int], colour: Colour) -> None:
        """Add `colour` where `coverage` (h, w) uint8 says; what sticks out at the right and the bottom is cut."""
        y, x = top_left
        h, w = (max(0, min(coverage.shape[i], self.size[i] - top_left[i])) for i in (0, 1))
        alpha = (coverage[:h, :w, None] / np.float32(255)).astype(np.float32)
        region = np.s_[y : y + h, x : x + w]
        self._colour[region] = self._colour[region] * (1 - alpha) + alpha * np.array(colour, np.float32)
        self._through[region] *= 1 - alpha

    def lay(self, image: np.ndarray, top_left: tuple[int, int]) -> None:
        """Draw the stamp on `image` (H, W, 3), in place; what sticks out at the bottom and the right is cut."""
        y, x = top_left
        region = image[y : y + self.size[0], x : x + self.size[1]]
        if region.size == 0:
            return
        h, w = region.shape[:2]
        through, colour = (part[:h, :w] for part in self._final)
        cv2.add(cv2.multiply(region, through, scale=1 / 255), colour, dst=region)

    @functools.cached_property
    def _final(self) -> tuple[np.ndarray, np.ndarray]:
        through = np.repeat(np.rint(self._through * 255).astype(np.uint8), 3, axis=2)
        return through, np.rint(self._colour).astype(np.uint8)


@functools.lru_cache(maxsize=32)
def _fill_table(colour: Colour) -> np.ndarray:
    """(1, 256, 3) uint8: what each value of each channel becomes under the fill."""
    values = np.arange(256, dtype=np.float32)[:, None]
    return np.rint(values * (1 - _FILL_ALPHA) + np.array(colour, np.float32) * _FILL_ALPHA).astype(np.uint8)[None]
