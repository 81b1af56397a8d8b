"""The lower half of the report: filmstrips of the best and the worst expressions, and all expressions over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

from image_core.errors import RvosError
from rvos.export.html.charts import timeline
from rvos.export.html.figures import counted, percent
from rvos.export.html.filmstrip import data_uri, evenly_spread, paint
from rvos.export.html.markup import Html, h
from rvos.export.html.summary import section

Row = Mapping[str, Any]
Strip = Callable[[str, str, Sequence[int]], Sequence[tuple[np.ndarray, np.ndarray | None, np.ndarray]]]
"""`strip(video_id, expression_id, positions)`: for each position among the scored frames the frame (H, W, 3) uint8 RGB,
the ground truth (H, W) bool or None, the prediction (H, W) bool. May raise `RvosError`."""

FILMSTRIPS_PER_END = 6
MAX_CHARTS = 4000
_TOTAL_POINTS, _MIN_POINTS, _MAX_POINTS = 150_000, 20, 120
_BANDS = 10
_MAX_UNGROUPED = 24


def score_of(row: Row) -> float:
    """The value by which an expression is ranked: its J&F, or 0 if it has none."""
    value = row.get("J&F")
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else 0.0


def score_name(rows: Sequence[Row]) -> str:
    """ "J&F", or "IoU" where no expression has an F."""
    return "J&F" if any(row.get("F") for row in rows) else "IoU"


def filmstrips(rows: Sequence[Row], strip: Strip, links: Mapping[str, str]) -> list[Html]:
    """Sections with filmstrips of the best and the worst expressions, `FILMSTRIPS_PER_END` of each; [] without rows.

    Failed expressions are omitted. The best are chosen among expressions with a visible target, since for the others an
    empty mask is perfect.
    """
    ranked = sorted((row for row in rows if not row.get("error") and row.get("J")), key=score_of)
    worst = ranked[: min(FILMSTRIPS_PER_END, len(ranked) // 2)]
    best = [row for row in ranked[len(worst) :][::-1] if any(row.get("visible") or [])][:FILMSTRIPS_PER_END]
    ends = (("best", "Best expressions", best), ("worst", "Worst expressions", worst))
    return [
        section(
            anchor,
            title,
            _image_key(),
            _curve_key(chosen),
            _filmstrip_list([_filmstrip(r, strip, links) for r in chosen], chosen),
        )
        for anchor, title, chosen in ends
        if chosen
    ]


def over_time(rows: Sequence[Row], links: Mapping[str, str]) -> Html | None:
    """J and F over the frames, one small chart per expression, worst first, grouped by tenths of the score."""
    if not rows:
        return None
    ranked = sorted(rows, key=score_of)
    omitted = max(0, len(ranked) - MAX_CHARTS)
    if omitted:
        ranked = ranked[: MAX_CHARTS // 2] + ranked[-MAX_CHARTS // 2 :]
    max_points = min(_MAX_POINTS, max(_MIN_POINTS, _TOTAL_POINTS // len(ranked)))
    averaged = any(len(row.get("J") or ()) > max_points for row in ranked)
    notes = [
        f"Of more than {max_points} frames, means of neighbouring frames are drawn." if averaged else "",
        f"{counted(omitted, 'expression')} between the best and the worst omitted." if omitted else "",
    ]
    groups = _bands(ranked) if len(ranked) > _MAX_UNGROUPED else {f"{score_name(rows)} from low to high": ranked}
    group_details = [
        h(
            "details",
            h("summary", f"{title} ", h("small", counted(len(band), "expression"))),
            h("div", *(_card(row, links, max_points) for row in band), class_="cards"),
            open=index == 0,
        )
        for index, (title, band) in enumerate(groups.items())
    ]
    find = h("input", type="search", placeholder="video or words", aria_label="find an expression", id="find")
    return section(
        "over-time",
        "Every expression over time" if any(map(_is_long, rows)) else "Every expression",
        _curve_key(rows),
        h("p", " ".join(filter(None, notes)), class_="note") if any(notes) else None,
        h("p", h("label", "Find ", find), h("output", id="found"), class_="scripted"),
        *group_details,
    )


def _bands(ranked: Sequence[Row]) -> dict[str, list[Row]]:
    """The expressions by tenths of the score, without empty groups."""
    name, bands = score_name(ranked), dict[str, list[Row]]()
    for row in ranked:
        tenth = min(_BANDS - 1, int(_BANDS * score_of(row)))
        bands.setdefault(f"{name} {10 * tenth} to {10 * tenth + 10}", []).append(row)
    return bands


def _filmstrip_list(filmstrips: Sequence[Html], rows: Sequence[Row]) -> Html:
    return h("div", *filmstrips, class_="filmstrips" if any(map(_is_long, rows)) else "filmstrips narrow")


def _filmstrip(row: Row, strip: Strip, links: Mapping[str, str]) -> Html:
    shown = np.logical_or(row.get("visible") or [], row.get("predicted") or []).tolist() or [False] * len(row["J"])
    positions = evenly_spread(shown)
    try:
        views = strip(str(row["video_id"]), str(row["expression_id"]), positions)
    except RvosError as error:
        images: Html = h("p", f"no images: {error}", class_="warning")
    else:
        frames = [_frame(row, i, *view) for i, view in zip(positions, views, strict=True)]
        images = h("div", *frames, class_="strip")
    return h("article", _caption(row, links), images, _chart(row, _MAX_POINTS), class_="filmstrip")


def _frame(row: Row, position: int, frame: np.ndarray, truth: np.ndarray | None, prediction: np.ndarray) -> Html:
    name = _frame_name(row, position)
    image = paint(frame, truth, prediction)
    height, width = image.shape[:2]
    figures = [f"{key} {percent(row[key][position])}" for key in ("J", "F") if row.get(key)]
    return h(
        "figure",
        h("img", src=data_uri(image), width=width, height=height, alt=f"frame {name}", loading="lazy"),
        h("figcaption", h("span", name), h("span", " ".join(figures))),
    )


def _card(row: Row, links: Mapping[str, str], max_points: int) -> Html:
    error = row.get("error")
    body = h("p", f"failed: {error}", class_="warning") if error else _chart(row, max_points)
    return h("article", _caption(row, links), body, class_="card")


def _caption(row: Row, links: Mapping[str, str]) -> Html:
    video_id, expression_id = str(row["video_id"]), str(row["expression_id"])
    link = links.get(f"{video_id}/{expression_id}")
    # All of it is quoted, colons too, so that the link can only be relative to the report.
    overlay = h("a", "overlay", href=quote(link)) if link else None
    labels = [f"{key} {value}" for key, value in (row.get("labels") or {}).items()]
    return h(
        "header",
        h("b", percent(score_of(row)), class_="score"),
        h("p", str(row.get("sentence", "")), class_="sentence"),
        h(
            "p",
            h("code", f"{video_id} / {expression_id}"),
            *(h("span", text) for text in labels),
            overlay,
            class_="tags",
        ),
    )


def _chart(row: Row, max_points: int) -> Html | None:
    if not _is_long(row):
        return None
    curves = {name.lower(): row.get(name) or () for name in ("J", "F")}
    ribbons = {name: row.get(name) or () for name in ("visible", "predicted")}
    means = ", ".join(f"{k.upper()} {percent(float(np.mean(v)))}" for k, v in curves.items() if len(v))
    last = len(curves["j"]) - 1
    drawn = timeline(curves, ribbons, max_points, f"Over {last + 1} frames: {means}")
    return h(
        "div", drawn, h("div", *(h("span", _frame_name(row, end)) for end in (0, last)), class_="axis"), class_="chart"
    )


def _is_long(row: Row) -> bool:
    """Whether there are enough scored frames for a curve: more than one."""
    return len(row.get("J") or ()) > 1


def _frame_name(row: Row, position: int) -> str:
    names = row.get("frame_names") or ()
    return str(names[position]) if position < len(names) else str(position)


def _image_key() -> Html:
    truth, prediction = h("span", "truth", class_="key outlined"), h("span", "prediction", class_="key predicted")
    return h("p", "Images:", truth, prediction, class_="legend")


def _curve_key(rows: Sequence[Row]) -> Html | None:
    if not any(map(_is_long, rows)):
        return None
    boundary = h("span", "F", class_="key f") if score_name(rows) == "J&F" else None
    ribbons = (
        h("span", "target visible", class_="key visible"),
        h("span", "something predicted", class_="key predicted"),
    )
    return h("p", "Curves, 0 to 100:", h("span", "J", class_="key j"), boundary, *ribbons, class_="legend")
