"""A session that plays back what the image model said of a clip: a tracker is watched without paying for the network
again. `rvos.watch.stream.watch` drives it, as it drives every session."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.gain.clip import Clip
from rvos.tracking.tracker import Tracker
from rvos.types import Frame, FrameResult, expression_targets
from rvos.view.frame_view import view_of
from rvos.watch.stream import Results


class Playback:
    """One tracker watching one clip, for all of its expressions.

    decode_every: the tracker gets what the image model said of every so many frames alone, and cannot ask for more.
    """

    def __init__(self, clip: Clip, tracker: Tracker[Any], decode_every: int = 1) -> None:
        self.targets = expression_targets([e.sentence for e in clip.sample.expressions])
        self.frame_count = 0
        self._clip = clip
        self._tracker = tracker
        self._decode_every = decode_every
        self._picture: np.ndarray | None = None
        self._states = [tracker.start(e) for e in range(clip.expression_count)]

    @property
    def latency(self) -> int:
        """How many frames pass before the results of a frame are there."""
        return self._tracker.lookahead

    def step(self, frame: Frame) -> Results:
        """What each expression means on the frame that is `latency` frames back; () before the first of them."""
        view = view_of(frame, self._picture)
        is_decoded = frame.index % self._decode_every == 0
        results: list[FrameResult] = []
        for e, decoded in enumerate(self._clip.decoded[frame.index]):
            prediction, features = (decoded.prediction, decoded.features) if is_decoded else (None, None)
            result, self._states[e] = self._tracker.step(view, prediction, features, self._states[e])
            results += [] if result is None else [result]
        self._picture = view.picture
        self.frame_count += 1
        return tuple(results)

    def finish(self) -> list[Results]:
        """The results of the frames that still wait for later ones."""
        return list(zip(*(self._tracker.finish(state) for state in self._states), strict=True))

    def rewind(self) -> None:
        """Begin the clip once more, with all that the tracker has learned of it."""
        self.frame_count = 0
        self._picture = None
        self._states = [self._tracker.again(state) for state in self._states]

    def snapshot(self) -> bytes:
        """A clip is played in one go."""
        raise NotImplementedError

    def restore(self, data: bytes) -> None:
        """A clip is played in one go."""
        raise NotImplementedError
