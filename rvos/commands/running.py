"""A run with somebody watching: the bar on stderr while it goes, what it left on stdout when it is done."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from image_core.progress import Progress, no_progress
from rvos.run.job import Job, Report, run

if TYPE_CHECKING:
    from rvos.system import System


def run_watched(job: Job, system: System, quiet: bool) -> Report:
    """`rvos.run.job.run` with a bar."""
    with bar(job.source, quiet) as progress:
        return run(job, system, progress)


def tell(report: Report, as_json: bool) -> None:
    """What a run left, on stdout: a line an output (`contact sheet: PATH`), or one JSON document."""
    if as_json:
        print(json.dumps(document_of(report), ensure_ascii=False))
        return
    for name, path in report.outputs.items():
        print(f"{name.replace('_', ' ')}: {path}")


def document_of(report: Report) -> dict[str, Any]:
    """A run for `--json`: its folder, its outputs by name, and the content of its `result.json`."""
    outputs = {name: str(path) for name, path in report.outputs.items()}
    return {"out": str(report.out), "outputs": outputs, **report.result}


@contextmanager
def bar(title: str, quiet: bool, unit: str = "frames") -> Iterator[Progress]:
    """A `Progress` that draws a bar and its speed on stderr, or does nothing when `quiet` or when nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield no_progress
        return
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
