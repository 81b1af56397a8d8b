"""Frames into a session and out again with their results, which may come later than the frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
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

    @property
    def chunk(self) -> int:
        """How many frames it is to be given at once, but for the last ones."""
        ...

    def steps(self, frames: Sequence[Frame]) -> list[Results]:
        """Take in the next frames and give the results that are ready, in order: of these frames, of earlier ones, or
        none."""
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
    """Gives a session its frames, a chunk at a time, and keeps those that are not yet answered: at most its `latency`.

    answered: how many frames have their results already, where the session goes on from a snapshot. The frames that it
    has seen beyond those (`behind` of them) come again and only wait.
    """

    def __init__(self, session: Session, answered: int = 0) -> None:
        self._session = session
        self._gathered: list[Frame] = []
        self._waiting: deque[Frame] = deque()
        self.behind = session.frame_count - answered

    @property
    def waiting(self) -> int:
        """How many frames the session has seen that wait for their results."""
        return len(self._waiting)

    def step(self, frame: Frame) -> list[tuple[Frame, Results]]:
        """Take in the next frame; the frames whose results are ready, with them, in order."""
        if self.behind:
            self._waiting.append(frame)
            self.behind -= 1
            return []
        self._gathered.append(frame)
        return self._given() if len(self._gathered) == self._session.chunk else []

    def finish(self) -> list[tuple[Frame, Results]]:
        """The frames that still wait, with their results, in order; none while some have to come again, for which the
        session keeps them. Raises `ValueError` where frames stay without."""
        if self.behind:
            return []
        given = [*(self._given() if self._gathered else ()), *map(self._matched, self._session.finish())]
        if self._waiting:
            raise ValueError(f"session: expected results of all frames when it finished, got none for {self.waiting}")
        return given

    def _given(self) -> list[tuple[Frame, Results]]:
        frames, self._gathered = self._gathered, []
        results = self._session.steps(frames)
        self._waiting.extend(frames)
        return [self._matched(of_frame) for of_frame in results]

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
            yield from stream.step(frame)
    except VideoError:
        yield from stream.finish()
        raise
    yield from stream.finish()
