"""The page of a run as HTML; its script draws the film and moves through it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rvos.export.html.changes import Changes
from rvos.export.html.charts import timeline
from rvos.export.html.figures import NOTHING, counted, percent
from rvos.export.html.film import Film
from rvos.export.html.markup import Html, h
from rvos.export.html.shell import page, write_page
from rvos.export.html.summary import section
from rvos.export.jpeg import jpeg_uri
from rvos.export.style import Colour
from rvos.types import FrameResult, VideoInfo

_MOST_POINTS = 1000


@dataclass
class Course:
    """One target over all T frames."""

    name: str
    colour: Colour
    presence: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    present: list[bool] = field(default_factory=list)

    def add(self, result: FrameResult) -> None:
        """Take in the next frame."""
        self.presence.append(result.presence)
        self.score.append(result.score if result.present else 0.0)
        self.present.append(result.present)

    @property
    def hex(self) -> str:
        """The colour as #rrggbb."""
        return f"#{bytes(self.colour).hex()}"


def write_run_page(
    path: Path,
    info: VideoInfo,
    courses: Sequence[Course],
    film: Film,
    changes: Changes,
) -> None:
    """Write the page in one step. Raises `OutputError`."""
    name = Path(info.source).name or info.source
    main = h(
        "main",
        _heading(name, info, film),
        _stage(courses, film),
        section("course", "Over time", _key(), h("div", *(_course(i, c) for i, c in enumerate(courses)), id="courses")),
        _changes(courses, changes),
        _data(courses, film),
    )
    write_page(path, page(name, main, styles=("report.css", "run.css"), scripts=("run.js",)))


def _heading(name: str, info: VideoInfo, film: Film) -> Html:
    height, width = info.size
    facts = [counted(film.frame_count, "frame"), f"{width} x {height} px"]
    facts += [f"{info.rate:.4g} frames a second"] if info.rate else []
    facts += [f"one frame in {film.stride} is held by this page"] if film.stride > 1 else []
    return h("header", h("h1", name), h("p", " · ".join(facts), class_="counts"))


def _stage(courses: Sequence[Course], film: Film) -> Html:
    height, width = film.size
    targets = [
        h(
            "li",
            h(
                "label",
                h("input", type="checkbox", checked=True, data_target=str(i)),
                h("span", class_="swatch", style=f"background: {course.hex}"),
                h("span", course.name, class_="name"),
            ),
            h("output", data_target=str(i)),
            h("div", class_="candidates", data_target=str(i)) if film.has_candidates else None,
        )
        for i, course in enumerate(courses)
    ]
    texts = [("fill", "fill", True), ("tracks", "tracks", False), ("dim", "dim the rest", False)]
    if film.has_candidates:
        texts.append(("candidates", "candidates (key C)", False))
    switches = [h("label", h("input", type="checkbox", id=key, checked=on), f" {text}") for key, text, on in texts]
    controls = h(
        "div",
        h("button", "Play", id="play", type="button"),
        h("input", type="range", id="scrub", min=0, value=0, step=1, aria_label="frame"),
        h("output", id="where"),
        class_="controls",
    )
    film_box = h(
        "div",
        h("canvas", id="film", width=2 * width, height=2 * height, tabindex=0, aria_label="the film"),
        controls,
        h("div", *switches, class_="switches"),
        class_="screen",
        style=f"--shape: {width / height:.4f}",
    )
    return h("div", film_box, h("ul", *targets, class_="targets"), class_="stage scripted-block")


def _key() -> Html:
    return h(
        "p",
        h("span", "presence", class_="key j"),
        h("span", "score of the mask", class_="key f"),
        h("span", "mask shown", class_="key shown"),
        h("span", "A click goes to the frame."),
        class_="legend",
    )


def _course(index: int, course: Course) -> Html:
    there = [score for score, present in zip(course.score, course.present, strict=True) if present]
    curves = {"j": course.presence, "f": course.score}
    drawn = timeline(curves, {"shown": course.present}, _MOST_POINTS, f"{course.name}: presence and score")
    mean = percent(float(np.mean(there))) if there else NOTHING
    said = f" on {len(there):,} of {counted(len(course.present), 'frame')}, mean score {mean}"
    swatch = h("span", class_="swatch", style=f"background: {course.hex}")
    return h(
        "article",
        h("p", swatch, h("b", course.name), h("small", said)),
        h("div", drawn, h("i", class_="cursor"), class_="course", data_target=str(index), style=f"--own: {course.hex}"),
    )


def _changes(courses: Sequence[Course], changes: Changes) -> Html | None:
    kept = changes.in_order()
    if not kept:
        return None
    figures = [
        h(
            "figure",
            h("img", src=jpeg_uri(change.picture), alt=f"frame {change.frame_index}", loading="lazy"),
            h(
                "figcaption",
                h("span", f"frame {change.frame_index} · {change.time_s:.2f} s"),
                h("span", f"{courses[change.target_index].name}: {change.what}"),
            ),
            data_position=str(change.position),
            tabindex=0,
            style=f"border-color: {courses[change.target_index].hex}",
        )
        for change in kept
    ]
    left_out = changes.left_out
    more = h("p", f"{counted(left_out, 'further change')} left out.", class_="note") if left_out else None
    return section("changes", "What changed", h("div", *figures, class_="changes"), more)


def _data(courses: Sequence[Course], film: Film) -> Html:
    """What the script draws; `<` is written so that nothing in it ends the element."""
    document: dict[str, Any] = {
        "frames": film.frame_count,
        "film": film.document(),
        "targets": [
            {
                "name": course.name.encode("utf-8", "replace").decode(),
                "colour": course.hex,
                "presence": _hundredths(course.presence),
                "score": _hundredths(course.score),
                "present": [int(here) for here in course.present],
            }
            for course in courses
        ],
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return h("script", Html(text), type="application/json", id="run-data")


def _hundredths(values: Sequence[float]) -> list[int]:
    return np.rint(100 * np.clip(values, 0, 1)).astype(int).tolist()
