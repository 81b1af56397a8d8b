"""The interface of what carries masks of objects through a video: appearance and flow, or a network."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np

from rvos.tracking.carrying.object_tracker import ObjectGuess
from rvos.view.frame_view import View


class MaskCarrier(Protocol):
    """Follows objects; shared, and holds nothing that changes. The state of an object is a frozen dataclass that
    `image_core.state` turns into bytes. It has `probs`, (h, w) float32 at work size: where the object was on the last
    frame."""

    state_type: ClassVar[type]
    """The dataclass of a state."""

    def begin(self, view: View, mask: np.ndarray) -> Any:
        """The state of an object whose mask (H, W) bool is known on this frame. Raises `ValueError` for an empty
        mask, or one of another size than the frame."""
        ...

    def predict(self, view: View, state: Any) -> ObjectGuess:
        """Where the object is on this frame."""
        ...

    def update(self, view: View, state: Any, guess: Any) -> Any:
        """The state after this frame. guess: what `predict` returned, perhaps without pixels that belong to other
        objects."""
        ...

    def renew(self, view: View, state: Any, mask: np.ndarray) -> Any:
        """The state after a frame on which the mask of a known object is given once more. Raises as `begin` does."""
        ...

    def mask(self, view: View, guess: Any) -> np.ndarray:
        """(H, W) bool at frame size."""
        ...

    def document(self) -> dict[str, Any]:
        """What the masks depend on, as JSON values."""
        ...
