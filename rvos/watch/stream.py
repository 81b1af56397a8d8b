"""Gives frames to a session and returns them with their results, which may be ready only after later frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from rvos.types import Frame, FrameResult, Target, VideoError

Results = tuple[FrameResult, ...]
"""Of one frame: one per target, in their order."""


class Session(Protocol):
    """The processing of one video for some targets. Frames are given in order, by one thread."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets, in the order of the results."""
        ...

    @property
    def frame_count(self) -> int:
        """The frames given so far."""
        ...

    @property
    def latency(self) -> int:
        """How many frames at most pass before the results of a frame are ready; 0 if they are ready at once."""
        ...

    @property
    def chunk(self) -> int:
        """How many frames `steps` takes; the last time it may be fewer."""
        ...

    def steps(self, frames: Sequence[Frame]) -> list[Results]:
        """Process the next frames. Returns the results that are ready, in order: of these frames, of earlier ones, or
        none."""
        ...

    def finish(self) -> list[Results]:
        """The remaining results, in order, at the end of the video."""
        ...

    def snapshot(self) -> bytes:
        """The state after the frames so far, which includes the results that are not ready yet."""
        ...

    def restore(self, data: bytes) -> None:
        """Continue from a snapshot. Raises `OutputError` if it is damaged, or of another session."""
        ...


class Stream:
    """Gives a session its frames, a chunk at a time, and keeps the frames that wait for their results: at most its
    `latency`.

    answered: how many frames have their results already, if the session continues from a snapshot. The session has
    seen some frames beyond those; `replay_count` of them still come again, and are not given to it again.
    """

    def __init__(self, session: Session, answered: int = 0) -> None:
        self._session = session
        self._chunk: list[Frame] = []
        self._waiting: deque[Frame] = deque()
        self.replay_count = session.frame_count - answered

    @property
    def waiting(self) -> int:
        """How many frames the session has seen whose results are not ready."""
        return len(self._waiting)

    def step(self, frame: Frame) -> list[tuple[Frame, Results]]:
        """Take the next frame. Returns the frames whose results are ready, with their results, in order."""
        if self.replay_count:
            self._waiting.append(frame)
            self.replay_count -= 1
            return []
        self._chunk.append(frame)
        return self._process_chunk() if len(self._chunk) == self._session.chunk else []

    def finish(self) -> list[tuple[Frame, Results]]:
        """The frames that still wait, with their results, in order. [] as long as frames have to come again, since
        their results stay in the session. Raises `ValueError` if a frame has no results."""
        if self.replay_count:
            return []
        finished = [*(self._process_chunk() if self._chunk else ()), *map(self._with_frame, self._session.finish())]
        if self._waiting:
            raise ValueError(f"session: expected results of all frames when it finished, got none for {self.waiting}")
        return finished

    def _process_chunk(self) -> list[tuple[Frame, Results]]:
        frames, self._chunk = self._chunk, []
        results = self._session.steps(frames)
        self._waiting.extend(frames)
        return [self._with_frame(of_frame) for of_frame in results]

    def _with_frame(self, results: Results) -> tuple[Frame, Results]:
        frame = self._waiting.popleft()
        if results[0].frame_index != frame.index:
            raise ValueError(f"session: expected results of frame {frame.index}, got those of {results[0].frame_index}")
        return frame, results


def process(session: Session, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Results]]:
    """Process frames. Yields each frame with its results, in order, as soon as these are ready. If the frames end in a
    `VideoError`, the results of the frames before are yielded first."""
    stream = Stream(session)
    try:
        for frame in frames:
            yield from stream.step(frame)
    except VideoError:
        yield from stream.finish()
        raise
    yield from stream.finish()
