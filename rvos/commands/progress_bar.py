"""Progress bars on stderr. Heavy packages are imported only when a bar is progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from image_core.progress import Progress, no_progress


@contextmanager
def bar(title: str, quiet: bool, unit: str = "frames") -> Iterator[Progress]:
    """A `Progress` that draws a bar with its speed on stderr, or does nothing if `quiet` or stderr is not a terminal.

    The bar appears with the first step: before, there may be another one, such as that of a download.
    """
    if quiet or not sys.stderr.isatty():
        yield no_progress
        return
    with _bar_from_first_step(title, unit) as advance:
        yield advance


@contextmanager
def list_bar(rows: int, quiet: bool) -> Iterator[Callable[[float, str], None]]:
    """A bar over the rows of a list: a function of the number of rows done, which may be a fraction, and of a title."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, title: None
        return
    with _bar_from_first_step("", "rows") as advance:
        yield lambda done, title: advance(done, rows, title)


class _Advance(Protocol):
    def __call__(self, done: float, total: int | None, title: str | None = None) -> None: ...


@contextmanager
def _bar_from_first_step(name: str, unit: str) -> Iterator[_Advance]:
    """A bar that appears with the first step."""
    with ExitStack() as stack:
        bars: list[_Advance] = []

        def advance(done: float, total: int | None, title: str | None = None) -> None:
            if not bars:
                bars.append(stack.enter_context(_rich_bar(title or name, unit)))
            bars[0](done, total, title)

        yield advance


@contextmanager
def _rich_bar(title: str, unit: str) -> Iterator[_Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None, rate="")

        def advance(done: float, total: int | None, title: str | None = None) -> None:
            speed = progress.tasks[0].speed
            # The header of a video may declare fewer frames than there are; then the bar has no end.
            known_total = total if total is not None and total >= done else None
            rate = f"{speed:.1f} {unit}/s" if speed else ""
            progress.update(task, description=title, completed=done, total=known_total, rate=rate)

        yield advance
