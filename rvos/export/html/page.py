"""The whole page: head, sections in order, styles and script inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from image_core.files import write_atomic
from rvos.export.html.charts import histogram
from rvos.export.html.expressions import Row, Strip, filmstrips, over_time, score_name, score_of
from rvos.export.html.markup import Html, h, joined
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

# The browser itself then refuses whatever would come from elsewhere.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
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
    """Write one file that opens offline and needs no script to be read.

    document: the content of `metrics.json`, any key may be absent; rows: a mapping an expression with "video_id",
    "expression_id", "sentence", "labels", "frame_names", "J", "F" (a value a scored frame, F may be None), "visible",
    "predicted" (bool a scored frame), "J&F", "error" (text or None). Raises `OutputError`.
    """
    write_atomic(path, ("<!doctype html>\n" + report(document, rows, strip) + "\n").encode("utf-8", "backslashreplace"))


def report(document: Document, rows: Sequence[Row], strip: Strip) -> Html:
    """The page as `write_report` writes it, without the line that says it is HTML."""
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
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("title", title_of(document)),
        h("style", _own_file("report.css")),
    )
    contents = h("nav", *(h("a", name, href=f"#{key}") for key, name in _CONTENTS if f'id="{key}"' in parts))
    main = h("main", heading(document, _counts(rows)), contents, parts)
    return h("html", head, h("body", main, h("script", _own_file("report.js"))), lang="en")


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    """Noun -> how many."""
    videos = len({row["video_id"] for row in rows})
    frames = sum(len(row.get("J") or ()) for row in rows)
    return {"video": videos, "expression": len(rows), "scored mask": frames}


def _distribution(rows: Sequence[Row]) -> Html | None:
    if not rows:
        return None
    return section("distribution", "Distribution", histogram([score_of(row) for row in rows], score_name(rows)))


def _own_file(name: str) -> Html:
    return Html(Path(__file__).with_name(name).read_text(encoding="utf-8"))
