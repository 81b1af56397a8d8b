"""How long-running work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int | None], None]
"""Called with the number of items done and the number of all items, None where that is not known."""


def no_progress(done: int, total: int | None) -> None:
    """A `Progress` that does nothing."""
