"""Frames into a session and out again with their results, which may come later than the frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from rvos.types import Frame, FrameResult, Target, VideoError

Results = tuple[FrameResult, ...]
"""Of one frame: one for each target, in their order."""


class Session(Protocol):
    """One video being watched for some targets; frames are given in order, by one thread."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is followed."""
        ...

    @property
    def frame_count(self) -> int:
        """The frames given so far."""
        ...

    @property
    def latency(self) -> int:
        """How many frames at most pass before the results of a frame are there; 0 when they come at once."""
        ...

    def step(self, frame: Frame) -> Results:
        """Take in the next frame and give the results that are ready: of this frame, of an earlier one, or () when
        none are."""
        ...

    def finish(self) -> list[Results]:
        """The results still to come, in order; the video has ended."""
        ...

    def snapshot(self) -> bytes:
        """Everything that the frames so far have left behind, results still to come among it."""
        ...

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot. Raises `OutputError` when it is damaged, or of another session's making."""
        ...


class Stream:
    """Gives a session its frames, and keeps those that it has seen and not yet answered: at most its `latency`.

    answered: how many frames have their results already, where the session goes on from a snapshot. The frames that it
    has seen beyond those (`behind` of them) come again and only wait.
    """

    def __init__(self, session: Session, answered: int = 0) -> None:
        self._session = session
        self._waiting: deque[Frame] = deque()
        self.behind = session.frame_count - answered

    @property
    def waiting(self) -> int:
        """How many frames wait for their results."""
        return len(self._waiting)

    def step(self, frame: Frame) -> tuple[Frame, Results] | None:
        """Take in the next frame; the frame whose results are ready, with them, or None."""
        results = self._session.step(frame) if self.behind == 0 else ()
        self._waiting.append(frame)
        self.behind = max(0, self.behind - 1)
        return self._matched(results) if results else None

    def finish(self) -> list[tuple[Frame, Results]]:
        """The frames that still wait, with their results, in order; none while some have to come again, for which the
        session keeps them. Raises `ValueError` where frames stay without."""
        if self.behind:
            return []
        given = [self._matched(results) for results in self._session.finish()]
        if self._waiting:
            raise ValueError(f"session: expected results of all frames when it finished, got none for {self.waiting}")
        return given

    def _matched(self, results: Results) -> tuple[Frame, Results]:
        frame = self._waiting.popleft()
        if results[0].frame_index != frame.index:
            raise ValueError(f"session: expected results of frame {frame.index}, got those of {results[0].frame_index}")
        return frame, results


def watch(session: Session, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Results]]:
    """Each frame with its results, in order, as soon as these are there. Where the frames break off by a `VideoError`,
    those before are given first."""
    stream = Stream(session)
    try:
        for frame in frames:
            ready = stream.step(frame)
            if ready is not None:
                yield ready
    except VideoError:
        yield from stream.finish()
        raise
    yield from stream.finish()
