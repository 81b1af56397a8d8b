"""A bar on stderr for work that takes long; free of heavy imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from image_core.progress import Progress, no_progress


@contextmanager
def bar(title: str, quiet: bool, unit: str = "frames") -> Iterator[Progress]:
    """A `Progress` that draws a bar and its speed on stderr, or does nothing when `quiet` or when nobody watches.

    It is drawn from the first step on: until then another may be there, such as that of weights which are brought.
    """
    if quiet or not sys.stderr.isatty():
        yield no_progress
        return
    with ExitStack() as shown:
        steps: list[Progress] = []

        def advance(done: int, total: int | None) -> None:
            if not steps:
                steps.append(shown.enter_context(_drawn(title, unit)))
            steps[0](done, total)

        yield advance


@contextmanager
def _drawn(title: str, unit: str) -> Iterator[Progress]:
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

        def advance(done: int, total: int | None) -> None:
            speed = drawn.tasks[0].speed
            # A container may declare fewer frames than it holds: a bar past its end would look broken.
            known = total if total is not None and total >= done else None
            drawn.update(task, completed=done, total=known, rate=f"{speed:.1f} {unit}/s" if speed else "")

        yield advance
