"""A run with somebody watching: the bar on stderr while it goes, what it left on stdout when it is done."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rvos.commands.progress_bar import bar
from rvos.run.job import Job, Report, run
from rvos.run.remote import is_url
from rvos.run.rows import Outcome
from rvos.video.source import camera_number, path_of

if TYPE_CHECKING:
    from rvos.segmenter import VideoSegmenter

_LOG = logging.getLogger(__name__)


def check_source(source: str) -> None:
    """Raise `VideoError` for a path that is nowhere, before torch loads. Cameras and URLs are asked when they are
    opened."""
    if camera_number(source) is None and not is_url(source):
        path_of(source)


def run_watched(job: Job, segmenter: VideoSegmenter, quiet: bool) -> Report:
    """`rvos.run.job.run` with a bar."""
    with bar(job.source, quiet) as progress:
        return run(job, segmenter, progress)


Named = Callable[[Path], str]
"""How a path is told to the user."""


def tell(report: Report, as_json: bool, named: Named = str) -> None:
    """What a run left, on stdout: a line an output (`contact sheet: PATH`), or one JSON document."""
    if as_json:
        print(json.dumps(document_of(report, named), ensure_ascii=False))
        return
    for name, path in report.outputs.items():
        print(f"{name.replace('_', ' ')}: {named(path)}")


def tell_all(outcomes: Iterable[Outcome], as_json: bool, named: Named = str) -> int:
    """What many jobs left: as they end, a line a folder, an error on stderr; or one JSON document in the end, by rows.

    The exit code: 2 where a row was broken.
    """
    entries: dict[int, dict[str, Any]] = {}
    broken = 0
    for outcome in outcomes:
        job, row = outcome.job, outcome.row
        if outcome.report is not None:
            entries[row] = document_of(outcome.report, named)
            if not as_json:
                print(f"row {row}: {named(job.out)}", flush=True)
            continue
        broken += 1
        _LOG.error("row %d (%s): %s", row, job.source, outcome.error)
        expressions = list(job.expressions)
        entries[row] = {
            "out": named(job.out),
            "source": job.source,
            "expressions": expressions,
            "error": str(outcome.error),
        }
    if as_json:
        print(json.dumps({"jobs": [entries[row] for row in sorted(entries)], "broken": broken}, ensure_ascii=False))
    return 2 if broken else 0


def document_of(report: Report, named: Named) -> dict[str, Any]:
    """A run for `--json`: its folder, its outputs by name, and the content of its `result.json`."""
    outputs = {name: named(path) for name, path in report.outputs.items()}
    return {"out": named(report.out), "outputs": outputs, **report.result}
