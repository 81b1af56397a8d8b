"""A run with somebody watching: the bar on stderr while it goes, what it left on stdout when it is done."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rvos.commands.progress_bar import bar
from rvos.run.job import Job, Report, run
from rvos.run.rows import Outcome

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
    """What many jobs left: as they end, a line a folder, an error on stderr; or one JSON document in the end, by rows.

    The exit code: 2 where a row was broken.
    """
    entries: dict[int, dict[str, Any]] = {}
    broken = 0
    for outcome in outcomes:
        job, row = outcome.job, outcome.row
        if outcome.report is not None:
            entries[row] = document_of(outcome.report)
            if not as_json:
                print(f"row {row}: {job.out}", flush=True)
            continue
        broken += 1
        _LOG.error("row %d (%s): %s", row, job.source, outcome.error)
        expressions = list(job.expressions)
        entries[row] = {
            "out": str(job.out),
            "source": job.source,
            "expressions": expressions,
            "error": str(outcome.error),
        }
    if as_json:
        print(json.dumps({"jobs": [entries[row] for row in sorted(entries)], "broken": broken}, ensure_ascii=False))
    return 2 if broken else 0


def document_of(report: Report) -> dict[str, Any]:
    """A run for `--json`: its folder, its outputs by name, and the content of its `result.json`."""
    outputs = {name: str(path) for name, path in report.outputs.items()}
    return {"out": str(report.out), "outputs": outputs, **report.result}
