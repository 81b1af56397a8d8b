"""The interface of networks that predict masks from a box prompt, such as SAM.

A box may contain an object, a part of one, or two objects. A network that predicts several masks for a box returns all
of them, and the caller chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class PredictedMask:
    """One mask that a network predicts for a box. Raises `ValueError` for a mask of another rank or type."""

    #: (H, W) bool, at the image's size.
    mask: np.ndarray
    #: [0, 1], the network's estimate of the mask's IoU with the true mask.
    quality: float

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(f"Drawing.mask: expected bool (H, W), got {self.mask.dtype} {self.mask.shape}")


class PromptableMasker(Protocol):
    """A network that predicts masks from boxes. It holds no state between calls."""

    def encode_image(self, image: np.ndarray) -> Any:
        """(H, W, 3) uint8 RGB -> the image embedding that `predict_masks` takes, for all boxes."""
        ...

    def predict_masks(
        self, embedding: Any, boxes_xyxy: Sequence[tuple[float, float, float, float]]
    ) -> list[list[PredictedMask]]:
        """An image embedding and N boxes in pixels -> N lists, all masks that the network predicts for each box, in
        its own order."""
        ...
