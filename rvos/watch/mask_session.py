"""A session that starts from masks instead of words: several objects followed side by side, without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from rvos.tracking.joint import resolve
from rvos.tracking.object_tracker import ObjectGuess, ObjectState, ObjectTracker
from rvos.types import Frame, FrameResult, OutputError, Target
from rvos.view.frame_view import View, view_of
from rvos.watch.prompts import MaskPrompts

SNAPSHOT_VERSION = 1


@dataclass(frozen=True)
class Found:
    """Where an object is on one frame.

    mask: (H, W) bool; score: the tracker's quality; presence: the highest probability of a pixel, not calibrated; both
    in [0, 1], and 1 where the mask was given.
    """

    mask: np.ndarray
    score: float
    presence: float


class MaskSession:
    """One video being watched for the objects of some mask prompts.

    An object is absent until its first prompt. On a frame with a prompt its mask is the prompt's, to the pixel; further
    prompts of an object that is followed already are further anchors. No pixel belongs to two objects. Every frame is
    answered at once. The tracker is shared and holds nothing that changes: all that this video has left behind is here.
    """

    latency = 0

    def __init__(self, prompts: MaskPrompts, tracker: ObjectTracker | None = None) -> None:
        self.targets = prompts.targets
        self.frame_count = 0
        self._prompts = prompts
        self._tracker = tracker or ObjectTracker()
        self._picture: np.ndarray | None = None
        self._states: dict[int, ObjectState] = {}

    def step(self, frame: Frame) -> tuple[FrameResult, ...]:
        """Where each object is on this frame, by rising id. Raises `DataError` for a frame of another size than the
        masks."""
        self._prompts.check_size(frame.size)
        view = view_of(frame, self._picture)
        given = self._prompts.masks(frame.index)
        guesses, states = self._follow(view, given)
        found = self._found(view, given, guesses)
        # Only a frame that went all the way through is remembered.
        self._picture, self._states = view.picture, states
        self.frame_count += 1
        return tuple(_result(frame, target, found.get(target.label)) for target in self.targets)

    def _follow(
        self, view: View, given: dict[int, np.ndarray]
    ) -> tuple[dict[int, ObjectGuess], dict[int, ObjectState]]:
        """Object id -> where it is, and its state after this frame; only of objects that a prompt has shown by now."""
        tracker, states = self._tracker, dict(self._states)
        guesses = {i: tracker.predict(view, state) for i, state in states.items() if i not in given}
        for i, mask in given.items():
            known = states.get(i)
            states[i] = tracker.begin(view, mask) if known is None else tracker.renew(view, known, mask)
            guesses[i] = ObjectGuess(states[i].probs, quality=1.0)
        order = sorted(guesses)
        guesses = dict(zip(order, resolve([guesses[i] for i in order]), strict=True))
        for i in guesses.keys() - given.keys():
            states[i] = tracker.update(view, states[i], guesses[i])
        return guesses, states

    def _found(self, view: View, given: dict[int, np.ndarray], guesses: dict[int, ObjectGuess]) -> dict[int, Found]:
        """Object id -> where it is. What is given keeps its pixels, then the surer object keeps them."""
        found = {i: Found(mask, 1.0, 1.0) for i, mask in given.items()}
        taken = np.logical_or.reduce([np.zeros(view.frame.size, dtype=bool), *given.values()])
        for i in sorted(guesses.keys() - given.keys(), key=lambda i: (-guesses[i].quality, i)):
            mask = self._tracker.mask(view, guesses[i]) & ~taken
            found[i] = Found(mask, guesses[i].quality, float(guesses[i].probs.max()))
            taken |= mask
        return found

    def finish(self) -> list[tuple[FrameResult, ...]]:
        """Nothing: every frame was answered at once."""
        return []

    def snapshot(self) -> bytes:
        """The objects' states, the last picture and the frame counter, for `restore` in a session of these prompts."""
        parts = {f"object.{i}": _bytes(self._tracker.snapshot(state)) for i, state in self._states.items()}
        if self._picture is not None:
            parts["picture"] = np.ascontiguousarray(self._picture)
        header = {**self._identity(), "frame_count": self.frame_count}
        return safetensors.numpy.save(parts | {"header": _bytes(json.dumps(header).encode())})

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot. Raises `OutputError` when it is damaged, or of another session's making."""
        try:
            parts = safetensors.numpy.load(data)
            header = json.loads(parts.pop("header").tobytes())
            frame_count = header.pop("frame_count")
            if header != self._identity():
                raise OutputError(
                    f"snapshot: came one of {header}, wanted {self._identity()}; start over with --overwrite"
                )
            picture = parts.pop("picture", None)
            states = {
                int(name.removeprefix("object.")): self._tracker.restore(data.tobytes()) for name, data in parts.items()
            }
        except (SafetensorError, KeyError, ValueError, TypeError) as error:
            raise OutputError(f"snapshot: damaged ({error!r}); start over with --overwrite") from error
        self.frame_count, self._picture, self._states = frame_count, picture, states

    def _identity(self) -> dict[str, Any]:
        return {"version": SNAPSHOT_VERSION, "prompts": self._prompts.document()}


def _result(frame: Frame, target: Target, found: Found | None) -> FrameResult:
    return FrameResult(
        frame_index=frame.index,
        time_s=frame.time_s,
        expression_index=target.index,
        mask=np.zeros(frame.size, dtype=bool) if found is None else found.mask,
        score=0.0 if found is None else found.score,
        presence=0.0 if found is None else found.presence,
        object_id=target.object_id,
    )


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)
