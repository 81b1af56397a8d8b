"""The report of a run as HTML. Its script plays the video."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rvos.export.html.changes import Changes
from rvos.export.html.charts import timeline
from rvos.export.html.embedded_frames import EmbeddedFrames
from rvos.export.html.figures import NOTHING, counted, percent
from rvos.export.html.markup import Html, h
from rvos.export.html.shell import page, write_page
from rvos.export.html.summary import section
from rvos.export.jpeg import jpeg_uri
from rvos.export.style import Colour
from rvos.types import FrameResult, VideoInfo

_MAX_POINTS = 1000


@dataclass
class TargetCurves:
    """Presence and score of one target over all T frames."""

    name: str
    colour: Colour
    presence: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    present: list[bool] = field(default_factory=list)

    def add(self, result: FrameResult) -> None:
        """Add the result of the next frame."""
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
    curves: Sequence[TargetCurves],
    frames: EmbeddedFrames,
    changes: Changes,
) -> None:
    """Write the page atomically. Raises `OutputError`."""
    name = Path(info.source).name or info.source
    main = h(
        "main",
        _heading(name, info, frames),
        _player(curves, frames),
        section(
            "over-time",
            "Over time",
            _legend(),
            h("div", *(_target_chart(i, c) for i, c in enumerate(curves)), id="timelines"),
        ),
        _changes(curves, changes),
        _data(curves, frames),
    )
    write_page(path, page(name, main, styles=("report.css", "run.css"), scripts=("run.js",)))


def _heading(name: str, info: VideoInfo, frames: EmbeddedFrames) -> Html:
    height, width = info.size
    facts = [counted(frames.frame_count, "frame"), f"{width} x {height} px"]
    facts += [f"{info.rate:.4g} frames per second"] if info.rate else []
    facts += [f"one frame in {frames.stride} is embedded in this page"] if frames.stride > 1 else []
    return h("header", h("h1", name), h("p", " · ".join(facts), class_="counts"))


def _player(curves: Sequence[TargetCurves], frames: EmbeddedFrames) -> Html:
    height, width = frames.size
    targets = [
        h(
            "li",
            h(
                "label",
                h("input", type="checkbox", checked=True, data_target=str(i)),
                h("span", class_="swatch", style=f"background: {target.hex}"),
                h("span", target.name, class_="name"),
            ),
            h("output", data_target=str(i)),
            h("div", class_="candidates", data_target=str(i)) if frames.has_candidates else None,
        )
        for i, target in enumerate(curves)
    ]
    options = [("fill", "fill", True), ("tracks", "tracks", False), ("dim", "dim the background", False)]
    if frames.has_candidates:
        options.append(("candidates", "candidates (key C)", False))
    switches = [h("label", h("input", type="checkbox", id=key, checked=on), f" {text}") for key, text, on in options]
    controls = h(
        "div",
        h("button", "Play", id="play", type="button"),
        h("input", type="range", id="scrub", min=0, value=0, step=1, aria_label="frame"),
        h("output", id="caption"),
        class_="controls",
    )
    player_box = h(
        "div",
        h("canvas", id="video", width=2 * width, height=2 * height, tabindex=0, aria_label="video"),
        controls,
        h("div", *switches, class_="switches"),
        class_="screen",
        style=f"--shape: {width / height:.4f}",
    )
    return h("div", player_box, h("ul", *targets, class_="targets"), class_="player scripted-block")


def _legend() -> Html:
    return h(
        "p",
        h("span", "presence", class_="key j"),
        h("span", "score of the mask", class_="key f"),
        h("span", "mask shown", class_="key shown"),
        h("span", "Click to go to a frame."),
        class_="legend",
    )


def _target_chart(index: int, target: TargetCurves) -> Html:
    scores = [score for score, present in zip(target.score, target.present, strict=True) if present]
    curves = {"j": target.presence, "f": target.score}
    svg = timeline(curves, {"shown": target.present}, _MAX_POINTS, f"{target.name}: presence and score")
    mean = percent(float(np.mean(scores))) if scores else NOTHING
    text = f" on {len(scores):,} of {counted(len(target.present), 'frame')}, mean score {mean}"
    swatch = h("span", class_="swatch", style=f"background: {target.hex}")
    return h(
        "article",
        h("p", swatch, h("b", target.name), h("small", text)),
        h(
            "div",
            svg,
            h("i", class_="cursor"),
            class_="target-timeline",
            data_target=str(index),
            style=f"--own: {target.hex}",
        ),
    )


def _changes(curves: Sequence[TargetCurves], changes: Changes) -> Html | None:
    listed = changes.in_order()
    if not listed:
        return None
    figures = [
        h(
            "figure",
            h("img", src=jpeg_uri(change.jpeg), alt=f"frame {change.frame_index}", loading="lazy"),
            h(
                "figcaption",
                h("span", f"frame {change.frame_index} · {change.time_s:.2f} s"),
                h("span", f"{curves[change.target_index].name}: {change.description}"),
            ),
            data_position=str(change.position),
            tabindex=0,
            style=f"border-color: {curves[change.target_index].hex}",
        )
        for change in listed
    ]
    omitted = changes.omitted
    more = h("p", f"{counted(omitted, 'further change')} omitted.", class_="note") if omitted else None
    return section("changes", "What changed", h("div", *figures, class_="changes"), more)


def _data(curves: Sequence[TargetCurves], frames: EmbeddedFrames) -> Html:
    """The data of the script as JSON. `<` is escaped, so that no text in it can end the element."""
    document: dict[str, Any] = {
        "frame_count": frames.frame_count,
        "frames": frames.document(),
        "targets": [
            {
                "name": target.name.encode("utf-8", "replace").decode(),
                "colour": target.hex,
                "presence": _hundredths(target.presence),
                "score": _hundredths(target.score),
                "present": [int(is_present) for is_present in target.present],
            }
            for target in curves
        ],
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return h("script", Html(text), type="application/json", id="run-data")


def _hundredths(values: Sequence[float]) -> list[int]:
    return np.rint(100 * np.clip(values, 0, 1)).astype(int).tolist()
