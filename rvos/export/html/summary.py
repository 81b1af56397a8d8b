"""The upper half of the report: figures, protocols, baseline, breakdowns, speed, settings, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rvos.export.html.charts import bar, interval
from rvos.export.html.figures import (
    counted,
    figures_of,
    flat,
    is_figure,
    label,
    percent,
    plain,
    signed_percent,
)
from rvos.export.html.markup import Html, h

Document = Mapping[str, Any]
_VERIFIED = {
    True: ("verified", "checked against the reference's figures"),
    False: ("not verified", "could not be checked"),
}
_MAX_FIGURES_NARROW = 4
"""Two tables fit beside each other if they have at most this many figures."""


def title_of(document: Document) -> str:
    """The title of the dataset, or its name if the document has no title."""
    return str(document.get("title") or document.get("dataset", "evaluation"))


def heading(document: Document, counts: Mapping[str, int]) -> Html:
    """Dataset and split, the figures, their protocol, and the number of failures."""
    dataset, split = title_of(document), document.get("split")
    failed, missing = (len(document.get(key) or ()) for key in ("failures", "missing"))
    faults = [counted(failed, "failure")] * (failed > 0) + [f"{missing:,} missing"] * (missing > 0)
    return h(
        "header",
        h("h1", dataset, h("span", f" {split}") if split else None),
        h(
            "p",
            " · ".join([*(counted(value, name) for name, value in counts.items()), "figures in percent"]),
            class_="counts",
        ),
        _figures(document, "headline"),
        _protocol(document),
        h("p", h("a", f"{' and '.join(faults)}: listed below", href="#failures"), class_="warning") if faults else None,
    )


def protocols(document: Document) -> Html | None:
    """One block per protocol with its figures, if there are several. Not a table, which would suggest a comparison."""
    named: Mapping[str, Document] = document.get("protocols") or {}
    if not named:
        return None
    blocks = [h("div", h("h3", name), _protocol(block), _figures(block, "figures")) for name, block in named.items()]
    intro = h("p", "Figures of different protocols are not comparable with each other.", class_="note")
    return section("protocols", "Protocols", intro, h("div", *blocks, class_="columns"))


def baseline(document: Document) -> Html | None:
    """The figures of the frame-by-frame baseline, and the gain over it with its interval."""
    block: Document = document.get("baseline") or {}
    if not block:
        return None
    rows = [
        [label(name), *(percent(value) for value in figures_of(figures).values())]
        for name, figures in block.items()
        if name != "gain" and isinstance(figures, Mapping)
    ]
    names = next((list(figures_of(v)) for k, v in block.items() if k != "gain" and isinstance(v, Mapping)), [])
    this = ["this run", *(percent(document.get(name)) for name in names)]
    gain = block.get("gain") or {}
    gains = {"": gain} if "mean" in gain else {k: v for k, v in gain.items() if isinstance(v, Mapping)}
    return section(
        "baseline",
        "Baseline",
        h(
            "p",
            "The same image model on every frame by itself, without propagation and without tracker.",
            class_="note",
        ),
        table(["", *map(label, names)], [*rows, this]),
        *(_gain(name, values) for name, values in gains.items()),
    )


def breakdowns(document: Document) -> Html | None:
    """One table per label, such as family, type or expression length; narrow tables are beside each other."""
    by_label: Mapping[str, Mapping[str, Document]] = document.get("by") or {}
    tables = [_breakdown(name, blocks) for name, blocks in by_label.items() if blocks]
    widest = max((len(figures_of(row)) for blocks in by_label.values() for row in blocks.values()), default=0)
    return h("div", *tables, class_="columns" if widest <= _MAX_FIGURES_NARROW else "stack") if tables else None


def failures(document: Document) -> Html | None:
    """The lists of failures and of missing predictions."""
    failed: Sequence[Document] = document.get("failures") or ()
    missing: Sequence[Any] = document.get("missing") or ()
    if not failed and not missing:
        return None
    rows = [[str(row.get(key) or "") for key in ("video", "expression", "error")] for row in failed]
    return section(
        "failures",
        "Failures",
        h("p", "What failed or is missing counts as 0 in the figures.", class_="note"),
        table(["video", "expression", "error"], rows, text_columns=3) if rows else None,
        h("h3", f"Missing ({len(missing)})") if missing else None,
        h("ul", *(h("li", _named(item)) for item in missing), class_="names") if missing else None,
    )


def facts(document: Document) -> Html | None:
    """Notes, speed, settings and versions."""
    notes = document.get("notes") or ()
    blocks = {name: document[name] for name in ("speed", "settings", "versions") if document.get(name)}
    if not notes and not blocks:
        return None
    return section(
        "run",
        "The run",
        h("ul", *(h("li", str(note)) for note in notes)) if notes else None,
        *(_block(name, block) for name, block in blocks.items()),
    )


def section(anchor: str | None, title: str, *children: Html | None) -> Html:
    """A section of the page. The contents at its top link to the sections with an anchor."""
    return h("section", h("h2", title), *children, id=anchor)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1, sortable: bool = False) -> Html:
    """A table whose first `text_columns` columns are text and whose other columns are figures."""
    kinds = ["text" if i < text_columns else None for i in range(len(head))]
    cells = [h("th", name, class_=kind, scope="col") for name, kind in zip(head, kinds, strict=True)]
    body = [h("tr", *(h("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=False))) for row in rows]
    whole = h("table", h("thead", h("tr", *cells)), h("tbody", *body), class_="sortable" if sortable else None)
    return h("div", whole, class_="scroll")


def _figures(block: Document, name: str) -> Html:
    lists = {k: v for k, v in block.items() if isinstance(v, list) and v and all(map(is_figure, v))}
    shown = {k: percent(v) for k, v in figures_of(block).items()} | {
        k: ", ".join(map(percent, v)) for k, v in lists.items()
    }
    return h("dl", *(h("div", h("dt", label(key)), h("dd", value)) for key, value in shown.items()), class_=name)


def _protocol(block: Document) -> Html | None:
    text, verified = block.get("protocol"), block.get("verified")
    if text is None and verified is None:
        return None
    mark = None
    if isinstance(verified, bool):
        word, title = _VERIFIED[verified]
        mark = h("span", word, class_=f"mark {'yes' if verified else 'no'}", title=title)
    return h("p", mark, " " if mark else None, None if text is None else str(text), class_="protocol")


def _breakdown(name: str, blocks: Mapping[str, Document]) -> Html:
    figures = list(dict.fromkeys(key for block in blocks.values() for key in figures_of(block)))
    lead = figures[0] if figures else None
    counted = any("expressions" in block for block in blocks.values())
    rows = [
        [
            value,
            *([plain(block.get("expressions"))] if counted else []),
            *([bar(block[lead]) if lead and is_figure(block.get(lead)) else ""] if lead else []),
            *(percent(block.get(key)) for key in figures),
        ]
        for value, block in blocks.items()
    ]
    head = [
        name.replace("_", " "),
        *(["expressions"] if counted else []),
        *([""] if lead else []),
        *map(label, figures),
    ]
    return section(None, f"By {label(name)}", table(head, rows, sortable=True))


def _gain(name: str, gain: Document) -> Html:
    mean, low, high = (gain.get(key) for key in ("mean", "low", "high"))
    rest = [f"{label(key)} {plain(value)}" for key, value in gain.items() if key not in ("mean", "low", "high")]
    known = is_figure(mean) and is_figure(low) and is_figure(high)
    text = f"{label(name)} gain {signed_percent(mean)}".strip()
    between = f" points, interval {signed_percent(low)} to {signed_percent(high)}" if known else " points"
    drawn = interval(float(mean or 0), float(low or 0), float(high or 0)) if known else None
    small = h("small", "; ".join(["mean over expressions", *rest, "the thin line is no gain"])) if known else None
    return h("div", h("p", h("b", text), between, small), drawn, class_="gain")


def _block(name: str, block: Any) -> Html:
    pairs = list(flat(block)) if isinstance(block, Mapping) else [("", block)]
    shown = h("dl", *(h("div", h("dt", label(key)), h("dd", plain(value))) for key, value in pairs), class_="facts")
    if name == "speed":
        return h("div", h("h3", "Speed"), shown)
    return h("details", h("summary", name.capitalize()), shown)


def _named(item: Any) -> str:
    return ", ".join(f"{key} {value}" for key, value in item.items()) if isinstance(item, Mapping) else str(item)
