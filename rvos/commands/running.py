"""Runs with a progress bar on stderr, and their outputs on stdout."""

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
    """Raise `VideoError` for a path that does not exist, before torch is imported. Cameras and URLs are checked when
    they are opened."""
    if camera_number(source) is None and not is_url(source):
        path_of(source)


def run_with_progress(job: Job, segmenter: VideoSegmenter, quiet: bool) -> Report:
    """`rvos.run.job.run` with a progress bar."""
    with bar(job.source, quiet) as progress:
        return run(job, segmenter, progress)


PathFormat = Callable[[Path], str]
"""Formats a path for the user; a folder may be the local copy of a URL."""


def print_report(report: Report, as_json: bool, format_path: PathFormat = str) -> None:
    """Print the outputs of a run: one line per output (`contact sheet: PATH`), or one JSON document."""
    if as_json:
        print(json.dumps(report_document(report, format_path), ensure_ascii=False))
        return
    for name, path in report.outputs.items():
        print(f"{name.replace('_', ' ')}: {format_path(path)}")


def print_outcomes(outcomes: Iterable[Outcome], as_json: bool, format_path: PathFormat = str) -> int:
    """Print the outcomes of many jobs: one line per folder as the jobs end, or one JSON document at the end; errors are
    logged. Returns the exit code: 2 if a row failed.
    """
    entries: dict[int, dict[str, Any]] = {}
    failed = 0
    for outcome in outcomes:
        job, row = outcome.job, outcome.row
        if outcome.report is not None:
            entries[row] = report_document(outcome.report, format_path)
            if not as_json:
                print(f"row {row}: {format_path(job.out)}", flush=True)
            continue
        failed += 1
        _LOG.error("row %d (%s): %s", row, job.source, outcome.error)
        expressions = list(job.expressions)
        entries[row] = {
            "out": format_path(job.out),
            "source": job.source,
            "expressions": expressions,
            "error": str(outcome.error),
        }
    if as_json:
        print(json.dumps({"jobs": [entries[row] for row in sorted(entries)], "broken": failed}, ensure_ascii=False))
    return 2 if failed else 0


def report_document(report: Report, format_path: PathFormat) -> dict[str, Any]:
    """A run as a JSON document: its folder, its outputs by name, and the content of its `result.json`."""
    outputs = {name: format_path(path) for name, path in report.outputs.items()}
    return {"out": format_path(report.out), "outputs": outputs, **report.result}
