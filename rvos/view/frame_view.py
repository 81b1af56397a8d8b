"""The input of propagators and trackers: a frame, the image before it, and a cache of what is computed from them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, TypeVar, cast

import cv2
import numpy as np

from rvos.types import Frame
from rvos.view.cuts import is_cut, thumbnail

SMALL_IMAGE_PX = 480
"""Short side, in pixels, of the images that motion is measured on. Smaller videos keep their size."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class View:
    """A frame, its image at reduced size, and that of the frame before."""

    frame: Frame
    #: (h, w, 3) uint8 RGB, the frame with a short side of at most `SMALL_IMAGE_PX`.
    small_image: np.ndarray
    #: The same of the frame that was processed before this one, None on the first.
    before: np.ndarray | None = None
    #: Whether the scene changed between the two.
    cut: bool = False
    #: (function, *args) -> its return value for this view.
    _cache: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False, compare=False)
    _lock: RLock = field(default_factory=RLock, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.before is not None and self.before.shape != self.small_image.shape:
            raise ValueError(
                f"View.before: expected the shape of View.small_image, {self.small_image.shape}, got "
                f"{self.before.shape}"
            )

    def once(self, function: Callable[..., Value], *args: Hashable) -> Value:
        """`function(self, *args)`, computed on the first call and then cached: shared by all expressions on this frame,
        and by all threads."""
        with self._lock:
            if (function, *args) not in self._cache:
                self._cache[function, *args] = function(self, *args)
            return cast(Value, self._cache[function, *args])


def small_image_of(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> the image with a short side of at most `SMALL_IMAGE_PX`; never enlarged."""
    height, width = image.shape[:2]
    scale = SMALL_IMAGE_PX / min(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def view_of(frame: Frame, before: np.ndarray | None) -> View:
    """The view of a frame, given `View.small_image` of the frame before (None on the first)."""
    small_image = small_image_of(frame.image)
    if before is None or before.shape != small_image.shape:  # `View` raises for another size
        return View(frame, small_image, before)
    return View(frame, small_image, before, is_cut(thumbnail(before), thumbnail(small_image)))
