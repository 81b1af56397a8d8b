"""The charts of the reports as inline SVG. Their texts are HTML outside the SVG, so that their size does not
scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

from rvos.export.html.figures import counted, percent
from rvos.export.html.markup import Html, h

BINS = 20
_WIDTH, _HEIGHT, _RIBBON_HEIGHT, _GAP = 480, 120, 12, 6


def histogram(scores: Sequence[float], name: str) -> Html:
    """A histogram of the scores of expressions, in [0, 1], with their mean as a line."""
    counts, edges = np.histogram(np.clip(scores, 0, 1), bins=BINS, range=(0, 1))
    top, mean = max(1, int(counts.max())), float(np.mean(scores))
    bars = [
        h(
            "rect",
            h("title", f"{name} {percent(low)} to {percent(high)}: {counted(count, 'expression')}"),
            x=f"{1000 * low + 3:.0f}",
            y=f"{200 - 200 * count / top:.1f}",
            width=f"{1000 / BINS - 6:.0f}",
            height=f"{200 * count / top:.1f}",
        )
        for count, low, high in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        if count
    ]
    line = h("line", x1=f"{1000 * mean:.1f}", x2=f"{1000 * mean:.1f}", y1=0, y2=200, class_="mean")
    title = f"Histogram of {name} over {counted(len(scores), 'expression')}, mean {percent(mean)}"
    svg = _svg("histogram", 1000, 200, title, *bars, line)
    return h(
        "figure",
        h(
            "div",
            h("span", f"tallest bar: {counted(top, 'expression')}"),
            h("span", f"mean {percent(mean)}", class_="key mean"),
            class_="axis top",
        ),
        svg,
        h("div", *(h("span", str(tick)) for tick in range(0, 101, 20)), class_="axis"),
        h(
            "figcaption",
            f"{name} of {'each of ' if len(scores) > 1 else ''}{counted(len(scores), 'expression')}, percent",
        ),
        class_="histogram",
    )


def timeline(
    curves: Mapping[str, Sequence[float]], ribbons: Mapping[str, Sequence[bool]], max_points: int, title: str
) -> Html:
    """Curves of values in [0, 1] over the frames, and below them ribbons of booleans.

    curves: class name -> (T,) values; ribbons: class name -> (T,) bool; max_points: if there are more frames, means of
    neighbouring frames are drawn.
    """
    grid = [h("line", x1=0, x2=_WIDTH, y1=y, y2=y, class_="grid") for y in (0, _HEIGHT // 2, _HEIGHT)]
    lines = [_curve_path(values, name, max_points) for name, values in curves.items() if len(values)]
    bands = [
        h("path", d=_ribbon_path(values, _HEIGHT + _GAP + i * (_RIBBON_HEIGHT + 2)), class_=name)
        for i, (name, values) in enumerate(ribbons.items())
        if any(values)
    ]
    height = _HEIGHT + _GAP + len(ribbons) * (_RIBBON_HEIGHT + 2)
    return _svg("timeline", _WIDTH, height, title, *grid, *lines, *bands)


def interval(mean: float, low: float, high: float) -> Html:
    """A gain and its confidence interval on an axis that contains 0."""
    left, right = min(low, 0.0), max(high, 0.0)
    margin = 0.08 * (right - left) or 0.01
    scale = 1000 / (right - left + 2 * margin)
    x = [f"{(value - left + margin) * scale:.1f}" for value in (0.0, low, high, mean)]
    marks = (
        h("line", x1=x[0], x2=x[0], y1=0, y2=40, class_="zero"),
        h("line", x1=x[1], x2=x[2], y1=20, y2=20, class_="range"),
        h("line", x1=x[3], x2=x[3], y1=8, y2=32, class_="dot"),
    )
    return _svg("interval", 1000, 40, "the gain and its interval; the thin line is 0", *marks)


def bar(value: float) -> Html:
    """A fraction as a bar, for a cell of a table."""
    filled = h("rect", width=f"{100 * min(max(value, 0.0), 1.0):.1f}", height=10)
    return _svg("bar", 100, 10, None, filled)


def _svg(name: str, width: int, height: int, title: str | None, *children: Html) -> Html:
    accessibility = {"role": "img", "aria_label": title} if title else {"aria_hidden": "true"}
    return h(
        "svg", *children, class_=name, viewBox=f"0 0 {width} {height}", preserveAspectRatio="none", **accessibility
    )


def _curve_path(values: Sequence[float], name: str, max_points: int) -> Html:
    means = np.clip(
        [part.mean() for part in np.array_split(np.asarray(values, float), min(len(values), max_points))], 0, 1
    )
    ys = np.rint(_HEIGHT - _HEIGHT * np.nan_to_num(means)).astype(int).tolist()
    if len(ys) == 1:
        return h("path", d=f"M{_WIDTH // 2 - 30} {ys[0]}h60", class_=name)
    xs = np.rint(np.linspace(0, _WIDTH, len(ys))).astype(int).tolist()
    return h("path", d="M" + " ".join(f"{x} {y}" for x, y in zip(xs, ys, strict=True)), class_=name)


def _ribbon_path(values: Sequence[bool], y: int) -> str:
    """An SVG path with a box for each run of True."""
    boxes, start = [], 0
    for value, group in groupby(values):
        length = len(list(group))
        if value:
            a, b = (round(_WIDTH * edge / len(values)) for edge in (start, start + length))
            boxes.append(f"M{a} {y}H{b}v{_RIBBON_HEIGHT}H{a}z")
        start += length
    return "".join(boxes)
