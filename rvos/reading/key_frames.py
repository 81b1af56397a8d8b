"""Which of the processed frames are key frames: those that go through the whole encoder."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from image_core.errors import ConfigError
from rvos.video.sampling import check_positive
from rvos.view.cuts import THUMBNAIL, thumbnail
from rvos.view.frame_view import View

AUTO = "auto"

_CHANGED_CELLS = 0.2
"""Share of a thumbnail's cells, those that changed most, over which change is averaged."""

_LARGE_CHANGE = 45.0
"""Grey levels. With this value adaptive:8 has about as many key frames as every:3 on the synthetic validation
videos."""


@dataclass(frozen=True)
class KeyFrameState:
    """What is remembered between frames."""

    #: Frames processed since the last key frame, that one included; 0 if the next one is a key frame.
    since: int = 0
    #: (18, 32, 3) uint8, of the last key frame, if the policy compares with it.
    thumbnail: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.thumbnail is not None and self.thumbnail.shape != (*THUMBNAIL, 3):
            raise ValueError(f"KeyFrameState.thumbnail: expected {(*THUMBNAIL, 3)}, got {self.thumbnail.shape}")


@dataclass(frozen=True)
class KeyFrames:
    """Every `every`-th of the processed frames is a key frame, beginning with the first.

    adaptive: `every` is the largest distance between key frames; a cut, or an image that has changed much since the
    last key frame, is a key frame before that. It depends on the frames alone, never on an expression.
    """

    every: int = 1
    adaptive: bool = False

    def __post_init__(self) -> None:
        check_positive("key_frames", self.every)

    def __str__(self) -> str:
        """In the form that `parse_key_frames` takes."""
        return "all" if self == KeyFrames() else f"{'adaptive' if self.adaptive else 'every'}:{self.every}"

    @property
    def all_frames(self) -> bool:
        """Every frame is a key frame."""
        return self.every == 1

    def start(self) -> KeyFrameState:
        """The state before the first frame."""
        return KeyFrameState()

    def step(self, view: View, state: KeyFrameState) -> tuple[bool, KeyFrameState]:
        """Whether this frame, the next one in order, is a key frame."""
        due = state.since == 0
        if not self.adaptive:
            return due, KeyFrameState((state.since + 1) % self.every)
        now = thumbnail(view.small_image)
        changed = state.thumbnail is not None and thumbnail_change(state.thumbnail, now) > _LARGE_CHANGE
        is_key = due or view.cut or changed
        since = 1 if is_key else state.since + 1
        return is_key, KeyFrameState(since % self.every, now if is_key else state.thumbnail)


def thumbnail_change(before: np.ndarray, now: np.ndarray) -> float:
    """Mean difference (grey levels, 0 to 255) between two thumbnails, over the fifth of their cells that changed
    most."""
    change = np.abs(now.astype(np.int16) - before.astype(np.int16)).max(-1).ravel()
    count = round(_CHANGED_CELLS * change.size)
    return float(np.partition(change, -count)[-count:].mean())


def parse_key_frames(text: str) -> KeyFrames | None:
    """`all`, `every:K` or `adaptive:K` with K >= 1; None for `auto`, which depends on the parts. Raises `ConfigError`,
    also if it is not a string."""
    if text == AUTO:
        return None
    if text == "all":
        return KeyFrames(1)
    match = re.fullmatch(r"(every|adaptive):([0-9]{1,9})", text) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(
            f"key_frames: expected auto, all, every:K or adaptive:K (a whole number, as in every:5), got {text!r}"
        )
    return KeyFrames(int(match[2]), adaptive=match[1] == "adaptive")
