"""A session that gets corrections: masks that say, on some frames, what its expressions mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rvos.types import Frame, Target
from rvos.watch.corrections import Corrections
from rvos.watch.session import FrameCorrections, StreamSession
from rvos.watch.stream import Results, Session


class CorrectedSession:
    """A `Session` that passes each frame to a `StreamSession` together with its corrections.

    corrections: index of a frame -> the corrections on it. A snapshot is that of the wrapped session, without the
    corrections of later frames.
    """

    def __init__(self, session: StreamSession, corrections: Mapping[int, FrameCorrections]) -> None:
        self._session = session
        self._corrections = corrections

    @property
    def targets(self) -> tuple[Target, ...]:
        return self._session.targets

    @property
    def frame_count(self) -> int:
        return self._session.frame_count

    @property
    def latency(self) -> int:
        return self._session.latency

    @property
    def chunk(self) -> int:
        return self._session.chunk

    def steps(self, frames: Sequence[Frame]) -> list[Results]:
        return self._session.steps(frames, self._corrections)

    def finish(self) -> list[Results]:
        return self._session.finish()

    def snapshot(self) -> bytes:
        return self._session.snapshot()

    def restore(self, data: bytes) -> None:
        self._session.restore(data)


def with_corrections(session: StreamSession, corrections: Corrections | None) -> Session:
    """The session, with its corrections if there are any."""
    return session if corrections is None else CorrectedSession(session, corrections.masks)
