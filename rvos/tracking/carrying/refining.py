"""Carried masks that a masker, a network that segments what a box contains, draws anew on some frames.

Such a network finds edges that appearance and flow do not see, and corrects drift. But a box may also be filled by a
part of the object, or by a rider together with the bicycle. The masker is therefore tested on each frame for which a
mask is given: it is asked about the box of the mask, and if none of its masks overlaps enough with the given one, it is
not used for that object. On later frames the one of its masks that overlaps most with the carried mask is taken, if it
overlaps enough.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import cv2
import numpy as np

from image_core.geometry.masks import overlap
from image_core.promptable import PromptableMasker
from image_core.ranges import Count, Share, check_ranges
from rvos.tracking.carrying.box import box_of
from rvos.tracking.carrying.object_tracker import ObjectGuess, ObjectState, ObjectTracker
from rvos.view.frame_view import View

NO_MASKER = "none"
"""Stands for no masker, in place of a name."""


@dataclass(frozen=True)
class RefiningConfig:
    """The numbers by which carried masks are drawn anew (ours)."""

    #: Number of frames from one redrawing to the next.
    every: Count = 2
    #: The masker is used for an object if, on the frame with the given mask, its drawing has at least this IoU with
    #: the mask.
    skill: Share = 0.85
    #: A drawing is accepted if it has at least this IoU with the tracked mask.
    agreement: Share = 0.5

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class RefinedState:
    """Everything remembered of one object."""

    object: ObjectState
    #: [0, 1], overlap (IoU) of the masker's best mask with the given one.
    skill: float
    #: The frame on which the masker was last asked.
    asked_on: int

    @property
    def probs(self) -> np.ndarray:
        """(h, w) float32 at work size, where the object was."""
        return self.object.probs


@dataclass(frozen=True)
class RefinedGuess(ObjectGuess):
    """Where an object is on a frame on which the masker was asked."""

    #: (H, W) bool at frame size, the masker's mask; None if none was taken.
    drawing: np.ndarray | None


class RefinedCarrier:
    """A `MaskCarrier` that carries by appearance and flow, and asks a masker on some frames.

    identity: what a run records of the masker, as JSON values. An image is encoded once for all objects, since the
    masker is asked about all of them on the same frames.
    """

    state_type: ClassVar[type] = RefinedState

    def __init__(
        self,
        objects: ObjectTracker,
        masker: PromptableMasker,
        identity: dict[str, Any],
        config: RefiningConfig = RefiningConfig(),
    ) -> None:
        self.objects = objects
        self.config = config
        self._masker = masker
        self._identity = identity

    def begin(self, view: View, mask: np.ndarray) -> RefinedState:
        return RefinedState(self.objects.begin(view, mask), self._skill(view, mask), view.frame.index)

    def renew(self, view: View, state: RefinedState, mask: np.ndarray) -> RefinedState:
        known = self.objects.renew(view, state.object, mask)
        return RefinedState(known, self._skill(view, mask), view.frame.index)

    def predict(self, view: View, state: RefinedState) -> ObjectGuess:
        guess = self.objects.predict(view, state.object)
        every, index = self.config.every, view.frame.index
        is_due = index // every > state.asked_on // every and state.skill >= self.config.skill
        if not is_due or not guess.quality or not (guess.probs > 0.5).any():
            return guess
        carried = self.objects.mask(view, guess)
        drawing, alike = self._most_alike(view, carried)
        if alike < self.config.agreement:
            return RefinedGuess(guess.probs, guess.quality, None)
        height, width = guess.probs.shape
        soft = cv2.resize(drawing.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        return RefinedGuess(soft, guess.quality, drawing)

    def update(self, view: View, state: RefinedState, guess: ObjectGuess) -> RefinedState:
        asked_on = view.frame.index if isinstance(guess, RefinedGuess) else state.asked_on
        return replace(state, object=self.objects.update(view, state.object, guess), asked_on=asked_on)

    def mask(self, view: View, guess: ObjectGuess) -> np.ndarray:
        if isinstance(guess, RefinedGuess) and guess.drawing is not None:
            return guess.drawing
        return self.objects.mask(view, guess)

    def document(self) -> dict[str, Any]:
        return {**self.objects.document(), "masker": self._identity, "refining": asdict(self.config)}

    def _skill(self, view: View, mask: np.ndarray) -> float:
        return self._most_alike(view, mask)[1]

    def _most_alike(self, view: View, mask: np.ndarray) -> tuple[np.ndarray, float]:
        """The one of the masker's masks in the box of a mask (H, W) bool that overlaps most with it, and their overlap
        (IoU)."""
        if not mask.any():
            return mask, 0.0
        box = box_of(mask)
        corners = float(box.left), float(box.top), float(box.right), float(box.bottom)
        (drawings,) = self._masker.predict_masks(view.once(self._encoded), [corners])
        shared = [overlap(drawing.mask, mask) for drawing in drawings]
        best = int(np.argmax([inside / max(union, 1) for inside, union in shared]))
        return drawings[best].mask, shared[best][0] / max(shared[best][1], 1)

    def _encoded(self, view: View) -> Any:
        """Ask by `view.once`."""
        writable = view.frame.image.copy()  # a masker may be of any make; those of torch need a writable array
        return self._masker.encode_image(writable)
