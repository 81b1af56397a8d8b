"""A proposal shown to an image-text scorer: the image blurred, the proposal sharp in it, a red rectangle around."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from image_core.errors import ConfigError


@dataclass(frozen=True)
class PromptStyle:
    """How a proposal is shown. A red box over a blurred image is published; the figures are proposed."""

    # standard deviation of the Gaussian. 0 leaves the image sharp; 10 keeps the surroundings recognisable, as in
    # the paper's figure; ReCLIP blurs with 100.
    blur_px: float = 10.0
    colour: tuple[int, int, int] = (255, 0, 0)  # red, green, blue
    thickness_share: float = 0.005  # of the rectangle's line, in short sides of the image
    min_thickness_px: int = 2

    def __post_init__(self) -> None:
        if self.blur_px < 0 or self.thickness_share < 0 or self.min_thickness_px < 0:
            raise ConfigError(f"PromptStyle: expected figures of 0 or more, got {self}")
        if len(self.colour) != 3 or not all(0 <= value <= 255 for value in self.colour):
            raise ConfigError(f"PromptStyle.colour: expected three numbers from 0 to 255, got {self.colour}")


def show_proposal(image: np.ndarray, box_xyxy: np.ndarray, style: PromptStyle = PromptStyle()) -> np.ndarray:
    """(H, W, 3) uint8 and (4,) -> (H, W, 3) uint8, a new array; see `show_proposals`."""
    return next(show_proposals(image, box_xyxy[None], style))


def show_proposals(
    image: np.ndarray, boxes_xyxy: np.ndarray, style: PromptStyle = PromptStyle()
) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 RGB and (N, 4) -> N images (H, W, 3) uint8, blurred once for all.

    Every pixel that a box touches stays as it is. The rectangle lies around it, and inside only where the image ends.
    """
    blurred = cv2.GaussianBlur(image, (0, 0), style.blur_px) if style.blur_px else image
    height, width = image.shape[:2]
    thickness = max(style.min_thickness_px, round(style.thickness_share * min(height, width)))
    for box in boxes_xyxy:
        x0, y0, x1, y1 = _pixels(box, (height, width))
        shown = np.array(blurred)
        left, top = max(x0 - thickness, 0), max(y0 - thickness, 0)
        right, bottom = min(x1 + thickness, width), min(y1 + thickness, height)
        shown[top:bottom, left:right] = style.colour
        # The sharp part gives way to the rectangle where there is no room around it.
        rows = slice(top + thickness, max(bottom - thickness, top + thickness))
        columns = slice(left + thickness, max(right - thickness, left + thickness))
        shown[rows, columns] = image[rows, columns]
        yield shown


def crop_proposals(image: np.ndarray, boxes_xyxy: np.ndarray) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 and (N, 4) -> N crops of the pixels that each box touches, at least one: no prompting."""
    for box in boxes_xyxy:
        x0, y0, x1, y1 = _pixels(box, image.shape[:2])
        yield image[y0:y1, x0:x1]


def _pixels(box: np.ndarray, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The pixels that a box touches, x0 y0 x1 y1 with the ends left out; at least one pixel, within the image."""
    height, width = size
    x0 = int(np.clip(np.floor(box[0]), 0, width - 1))
    y0 = int(np.clip(np.floor(box[1]), 0, height - 1))
    x1 = int(np.clip(np.ceil(box[2]), x0 + 1, width))
    y1 = int(np.clip(np.ceil(box[3]), y0 + 1, height))
    return x0, y0, x1, y1
