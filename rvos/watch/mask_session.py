"""A session that starts from masks instead of expressions, and tracks several objects together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from image_core.identity import name_of
from image_core.state import from_bytes, to_bytes
from rvos.tracking.carrying.mask_carrier import MaskCarrier
from rvos.tracking.carrying.object_tracker import ObjectGuess, ObjectTracker
from rvos.tracking.carrying.soft_aggregation import soft_aggregate
from rvos.types import Frame, FrameResult, OutputError, Target
from rvos.view.frame_view import View, view_of
from rvos.watch.prompts import MaskPrompts
from rvos.watch.session import check_identity

SNAPSHOT_VERSION = 5


@dataclass(frozen=True)
class MaskSessionState:
    """All that is remembered of the frames so far."""

    #: The settings of the session, as JSON: a snapshot is restored only in a session with the same.
    identity: str
    frame_count: int
    #: By object id, as bytes of the carrier's `state_type`.
    objects: Mapping[int, bytes]
    #: `View.small_image` of the last frame, (h, w, 3) uint8.
    picture: np.ndarray | None = None


@dataclass(frozen=True)
class ObjectMask:
    """Where an object is on one frame; score and presence are 1 on a frame with a prompt."""

    #: (H, W) bool at frame size.
    mask: np.ndarray
    #: [0, 1], the carrier's quality.
    score: float
    #: [0, 1], the highest probability of a pixel, not calibrated.
    presence: float


class MaskSession:
    """The processing of one video for the objects of some mask prompts.

    An object is absent until its first prompt. On a frame with a prompt its mask is the prompt's, pixel for pixel;
    later prompts of an object are used in addition to the first. No pixel belongs to two objects. The results of
    a frame are ready at once. The carrier is shared and has no state; the whole state of this video is here.
    """

    latency = 0
    chunk = 1

    def __init__(self, prompts: MaskPrompts, carrier: MaskCarrier | None = None) -> None:
        self.targets = prompts.targets
        self.frame_count = 0
        self._prompts = prompts
        self._carrier: MaskCarrier = carrier or ObjectTracker()
        self._picture: np.ndarray | None = None
        self._states: dict[int, Any] = {}

    def step(self, frame: Frame) -> tuple[FrameResult, ...]:
        """Where each object is on this frame, by rising id. Raises `DataError` for a frame of another size than the
        masks."""
        self._prompts.check_size(frame.size)
        view = view_of(frame, self._picture)
        prompted = self._prompts.masks(frame.index)
        guesses, states = self._predict(view, prompted)
        masks = self._masks(view, prompted, guesses)
        # The state changes only after a frame was processed completely.
        self._picture, self._states = view.small_image, states
        self.frame_count += 1
        return tuple(_result(frame, target, masks.get(target.label)) for target in self.targets)

    def steps(self, frames: Sequence[Frame]) -> list[tuple[FrameResult, ...]]:
        """`step` of each. Raises as it does."""
        return [self.step(frame) for frame in frames]

    def _predict(self, view: View, prompted: dict[int, np.ndarray]) -> tuple[dict[int, ObjectGuess], dict[int, Any]]:
        """Object id -> its guess, and its state after this frame, for the objects that have had a prompt by now."""
        carrier, states = self._carrier, dict(self._states)
        guesses = {i: carrier.predict(view, state) for i, state in states.items() if i not in prompted}
        for i, mask in prompted.items():
            state = states.get(i)
            states[i] = carrier.begin(view, mask) if state is None else carrier.renew(view, state, mask)
            guesses[i] = ObjectGuess(states[i].probs, quality=1.0)
        order = sorted(guesses)
        guesses = dict(zip(order, soft_aggregate([guesses[i] for i in order]), strict=True))
        for i in guesses.keys() - prompted.keys():
            states[i] = carrier.update(view, states[i], guesses[i])
        return guesses, states

    def _masks(
        self, view: View, prompted: dict[int, np.ndarray], guesses: dict[int, ObjectGuess]
    ) -> dict[int, ObjectMask]:
        """Object id -> its mask. Masks of prompts keep all their pixels; of the others the object of higher quality
        gets a pixel."""
        masks = {i: ObjectMask(mask, 1.0, 1.0) for i, mask in prompted.items()}
        taken = np.logical_or.reduce([np.zeros(view.frame.size, dtype=bool), *prompted.values()])
        for i in sorted(guesses.keys() - prompted.keys(), key=lambda i: (-guesses[i].quality, i)):
            mask = self._carrier.mask(view, guesses[i]) & ~taken
            masks[i] = ObjectMask(mask, guesses[i].quality, float(guesses[i].probs.max()))
            taken |= mask
        return masks

    def finish(self) -> list[tuple[FrameResult, ...]]:
        """An empty list: the results of every frame were ready at once."""
        return []

    def snapshot(self) -> bytes:
        """The objects' states, the last image and the frame counter, for `restore` in a session of these prompts."""
        objects = {i: to_bytes(state) for i, state in self._states.items()}
        return to_bytes(MaskSessionState(self._identity(), self.frame_count, objects, self._picture))

    def restore(self, data: bytes) -> None:
        """Continue from a snapshot. Raises `OutputError` if it is damaged, or of another session."""
        try:
            state = from_bytes(MaskSessionState, data)
            check_identity(self._identity(), state.identity)
            state_type = self._carrier.state_type
            objects = {i: from_bytes(state_type, object_bytes) for i, object_bytes in state.objects.items()}
        except ValueError as error:
            raise OutputError(f"snapshot: damaged ({error}); start over with --overwrite") from error
        self.frame_count, self._picture, self._states = state.frame_count, state.picture, objects

    def _identity(self) -> str:
        carrier = {"class": name_of(type(self._carrier)), **self._carrier.document()}
        return json.dumps({"version": SNAPSHOT_VERSION, "prompts": self._prompts.document(), "tracker": carrier})


def _result(frame: Frame, target: Target, found: ObjectMask | None) -> FrameResult:
    return FrameResult(
        frame_index=frame.index,
        time_s=frame.time_s,
        expression_index=target.index,
        mask=np.zeros(frame.size, dtype=bool) if found is None else found.mask,
        score=0.0 if found is None else found.score,
        presence=0.0 if found is None else found.presence,
        object_id=target.object_id,
    )
