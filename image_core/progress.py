"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int | None], None]
"""Called with how many items are done, and how many there are, None where nobody knows."""


def no_progress(done: int, total: int | None) -> None:
    """The `Progress` that tells nobody."""
