"""The report of an evaluation as one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rvos.export.html.charts import histogram
from rvos.export.html.expressions import Row, Strip, filmstrips, over_time, score_name, score_of
from rvos.export.html.markup import Html, h, joined
from rvos.export.html.shell import page, write_page
from rvos.export.html.summary import (
    Document,
    baseline,
    breakdowns,
    facts,
    failures,
    heading,
    protocols,
    section,
    title_of,
)

_CONTENTS = (
    ("protocols", "Protocols"),
    ("baseline", "Baseline"),
    ("distribution", "Distribution"),
    ("best", "Best"),
    ("worst", "Worst"),
    ("over-time", "All"),
    ("failures", "Failures"),
    ("run", "The run"),
)


def write_report(path: Path, document: Document, rows: Sequence[Row], strip: Strip) -> None:
    """Write one file that opens offline and can be read without scripts.

    document: the content of `metrics.json`, any key may be absent; rows: one mapping per expression with "video_id",
    "expression_id", "sentence", "labels", "frame_names", "J", "F" (one value per scored frame, F may be None),
    "visible", "predicted" (one bool per scored frame), "J&F", "error" (text or None). Raises `OutputError`.
    """
    write_page(path, report(document, rows, strip))


def report(document: Document, rows: Sequence[Row], strip: Strip) -> Html:
    """The page that `write_report` writes, without the doctype."""
    links = document.get("overlays") or {}
    parts = joined(
        [
            protocols(document),
            baseline(document),
            breakdowns(document),
            _distribution(rows),
            *filmstrips(rows, strip, links),
            over_time(rows, links),
            failures(document),
            facts(document),
        ]
    )
    contents = h("nav", *(h("a", name, href=f"#{key}") for key, name in _CONTENTS if f'id="{key}"' in parts))
    main = h("main", heading(document, _counts(rows)), contents, parts)
    return page(title_of(document), main, styles=("report.css",), scripts=("report.js",))


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    """Noun -> count."""
    videos = len({row["video_id"] for row in rows})
    masks = sum(len(row.get("J") or ()) for row in rows)
    return {"video": videos, "expression": len(rows), "scored mask": masks}


def _distribution(rows: Sequence[Row]) -> Html | None:
    if not rows:
        return None
    return section("distribution", "Distribution", histogram([score_of(row) for row in rows], score_name(rows)))
