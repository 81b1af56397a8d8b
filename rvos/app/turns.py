"""Whose turn it is: the machine's time is given out a frame each, so that nobody waits for a whole film."""

from __future__ import annotations

from threading import Condition
from types import TracebackType


class Turns:
    """A lock that is had in the order in which it was asked for: `with turns: ...`."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._next = 0
        self._served = 0

    @property
    def asked(self) -> int:
        """How often it was asked for."""
        return self._next

    def __enter__(self) -> None:
        with self._changed:
            mine = self._next
            self._next += 1
            self._changed.wait_for(lambda: self._served == mine)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._served += 1
            self._changed.notify_all()
