"""A lock that is granted in the order of the requests, so that the videos of all visitors advance frame by frame."""

from __future__ import annotations

from threading import Condition
from types import TracebackType


class FairLock:
    """A lock that is granted first come, first served: `with lock: ...`."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._next_ticket = 0
        self._now_serving = 0

    @property
    def request_count(self) -> int:
        """How often the lock was requested."""
        return self._next_ticket

    def __enter__(self) -> None:
        with self._changed:
            ticket = self._next_ticket
            self._next_ticket += 1
            self._changed.wait_for(lambda: self._now_serving == ticket)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._now_serving += 1
            self._changed.notify_all()
