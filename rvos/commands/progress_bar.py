"""A bar on stderr for work that takes long; free of heavy imports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from image_core.progress import Progress, no_progress


@contextmanager
def bar(title: str, quiet: bool, unit: str = "frames") -> Iterator[Progress]:
    """A `Progress` that draws a bar and its speed on stderr, or does nothing when `quiet` or when nobody watches.

    It is drawn from the first step on: until then another may be there, such as that of weights which are brought.
    """
    if quiet or not sys.stderr.isatty():
        yield no_progress
        return
    with _later(title, unit) as advance:
        yield advance


@contextmanager
def list_bar(rows: int, quiet: bool) -> Iterator[Callable[[float, str], None]]:
    """The same over the rows of a list, parts of rows included: how many are done, and what is being watched."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, what: None
        return
    with _later("", "rows") as advance:
        yield lambda done, what: advance(done, rows, what)


class _Advance(Protocol):
    def __call__(self, done: float, total: int | None, title: str | None = None) -> None: ...


@contextmanager
def _later(name: str, unit: str) -> Iterator[_Advance]:
    """A bar that is drawn from the first step on."""
    with ExitStack() as shown:
        steps: list[_Advance] = []

        def advance(done: float, total: int | None, title: str | None = None) -> None:
            if not steps:
                steps.append(shown.enter_context(_drawn(title or name, unit)))
            steps[0](done, total, title)

        yield advance


@contextmanager
def _drawn(title: str, unit: str) -> Iterator[_Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task(title, total=None, rate="")

        def advance(done: float, total: int | None, title: str | None = None) -> None:
            speed = drawn.tasks[0].speed
            # A container may declare fewer frames than it holds: a bar past its end would look broken.
            known = total if total is not None and total >= done else None
            told = f"{speed:.1f} {unit}/s" if speed else ""
            drawn.update(task, description=title, completed=done, total=known, rate=told)

        yield advance
