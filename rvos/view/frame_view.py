"""A frame as propagators and trackers see it: with the frame before, and with what is computed once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, TypeVar, cast

import cv2
import numpy as np

from rvos.types import Frame
from rvos.view.cuts import is_cut, thumbnail

PICTURE_PX = 480
"""Short side of the pictures that motion is measured on; smaller videos keep their size."""

Made = TypeVar("Made")


@dataclass(frozen=True)
class View:
    """A frame, its picture at working size, and the picture of the frame before."""

    frame: Frame
    #: (h, w, 3) uint8 RGB, the frame with a short side of at most `PICTURE_PX`.
    picture: np.ndarray
    #: The same of the frame watched before this one, None on the first.
    before: np.ndarray | None = None
    #: Whether the scene changed between the two.
    cut: bool = False
    #: Function and arguments -> what it returned for this view.
    _made: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False, compare=False)
    _lock: RLock = field(default_factory=RLock, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.before is not None and self.before.shape != self.picture.shape:
            raise ValueError(
                f"View.before: expected the size of the picture, {self.picture.shape}, got {self.before.shape}"
            )

    def once(self, make: Callable[..., Made], *given: Hashable) -> Made:
        """`make(self, *given)`, computed on the first request and then kept: shared by all expressions on this frame,
        and by the threads that work on it."""
        with self._lock:
            if (make, *given) not in self._made:
                self._made[make, *given] = make(self, *given)
            return cast(Made, self._made[make, *given])


def picture_of(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> the same picture at working size, never enlarged."""
    height, width = image.shape[:2]
    factor = PICTURE_PX / min(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def view_of(frame: Frame, before: np.ndarray | None) -> View:
    """The view of a frame, given the picture of the frame before (None on the first)."""
    picture = picture_of(frame.image)
    if before is None or before.shape != picture.shape:  # another size is refused by `View`
        return View(frame, picture, before)
    return View(frame, picture, before, is_cut(thumbnail(before), thumbnail(picture)))
