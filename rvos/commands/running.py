"""A run with somebody watching: the bar on stderr while it goes, what it left on stdout when it is done."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from image_core.progress import Progress, no_progress
from rvos.run.job import Job, Report, run
from rvos.run.joblist import Outcome

if TYPE_CHECKING:
    from rvos.segmenter import VideoSegmenter

_LOG = logging.getLogger(__name__)


def run_watched(job: Job, segmenter: VideoSegmenter, quiet: bool) -> Report:
    """`rvos.run.job.run` with a bar."""
    with bar(job.source, quiet) as progress:
        return run(job, segmenter, progress)


def tell(report: Report, as_json: bool) -> None:
    """What a run left, on stdout: a line an output (`contact sheet: PATH`), or one JSON document."""
    if as_json:
        print(json.dumps(document_of(report), ensure_ascii=False))
        return
    for name, path in report.outputs.items():
        print(f"{name.replace('_', ' ')}: {path}")


def tell_all(outcomes: Iterable[Outcome], as_json: bool) -> int:
    """What many jobs left, as they end: a line a folder, an error on stderr; or one JSON document in the end.

    The exit code: 2 where a row was broken.
    """
    entries: list[dict[str, Any]] = []
    broken = 0
    for row, outcome in enumerate(outcomes):
        job = outcome.job
        if outcome.report is not None:
            entries.append(document_of(outcome.report))
            if not as_json:
                print(f"row {row}: {job.out}")
            continue
        broken += 1
        _LOG.error("row %d (%s): %s", row, job.source, outcome.error)
        expressions = list(job.expressions)
        entries.append(
            {"out": str(job.out), "source": job.source, "expressions": expressions, "error": str(outcome.error)}
        )
    if as_json:
        print(json.dumps({"jobs": entries, "broken": broken}, ensure_ascii=False))
    return 2 if broken else 0


def document_of(report: Report) -> dict[str, Any]:
    """A run for `--json`: its folder, its outputs by name, and the content of its `result.json`."""
    outputs = {name: str(path) for name, path in report.outputs.items()}
    return {"out": str(report.out), "outputs": outputs, **report.result}


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
