"""Plots of the figures: bars by family, and strips of frames that show errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure

from benchmarks.gain.systems import FRAME_BY_FRAME, KINDS

PANELS = {
    "causal": "causal",
    "offline": "offline (grey, for reference: frame by frame)",
    "oracle": "oracles, which know the truth (grey, for reference: frame by frame)",
}
TILE_WIDTH = 192
LABEL_WIDTH = 120
CAPTION_HEIGHT = 20
COLUMNS = 9
TRUTH_COLOUR = (255, 255, 255)
COLOUR = (255, 230, 0)


def draw_bars(document: dict[str, Any], path: Path) -> None:
    """J&F of stable expressions by family with 95 % intervals, one panel per kind of system; frame by frame in each."""
    tables = {kind: document["stable"][kind] for kind in KINDS if document["stable"][kind]}
    figure = Figure(figsize=(13, 3.6 * len(tables)), layout="constrained")
    reference = document["stable"]["causal"].get(FRAME_BY_FRAME)
    panels = figure.subplots(len(tables), 1, sharey=True, squeeze=False)[:, 0]
    for axes, (kind, table) in zip(panels, tables.items(), strict=True):
        shown = table if reference is None else {FRAME_BY_FRAME: reference} | table
        draw_panel(axes, shown)
        axes.set_title(PANELS[kind], fontsize=10)
        axes.set_ylabel("J&F, visible frames")
    figure.savefig(path, dpi=110)


def draw_panel(axes: Any, table: Mapping[str, Any]) -> None:
    """The bars of the systems of `table`, grouped by family."""
    every = next(iter(table.values()))["families"]
    groups = ["all", *(family for family, figures in every.items() if figures["J&F"] is not None)]
    width = 0.85 / len(table)
    for position, (name, figures) in enumerate(table.items()):
        parts = [figures, *(figures["families"][family] for family in groups[1:])]
        means = np.array([100 * part["J&F"] for part in parts])
        ends = np.array([[100 * end for end in part["J&F_interval"]] for part in parts]).T
        reach = np.maximum([means - ends[0], ends[1] - means], 0)
        colour = "0.6" if name == FRAME_BY_FRAME else f"C{position}"
        places = np.arange(len(groups)) + (position - (len(table) - 1) / 2) * width
        axes.bar(places, means, width, yerr=reach, label=name, color=colour, error_kw={"lw": 0.8, "capsize": 1.5})
    axes.set_xticks(np.arange(len(groups)), groups)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, ncols=len(table), loc="upper center")
    axes.set_ylim(0, 115)


def draw_strip(
    frames: np.ndarray, truth: np.ndarray, rows: Mapping[str, Sequence[np.ndarray]], title: str
) -> np.ndarray:
    """(H', W', 3) uint8 RGB: a row of frames with the true mask outlined in white, then a row per system with its mask
    in yellow. Every tile has its frame index and J, which is 100 if both masks are empty.

    frames: (T, H, W, 3) uint8; truth: (T, H, W) bool; rows: by system, T masks (H, W) bool each.
    """
    columns = np.unique(np.linspace(0, len(frames) - 1, COLUMNS).round().astype(int))
    lines = []
    for name, masks in {"truth": truth, **rows}.items():
        colour = TRUTH_COLOUR if name == "truth" else COLOUR
        tiles = [_tile(frames[t], masks[t], truth[t], t, colour) for t in columns]
        lines.append(np.concatenate([_caption(name, (len(tiles[0]), LABEL_WIDTH)), *tiles], axis=1))
    return np.concatenate([_caption(title, (CAPTION_HEIGHT, lines[0].shape[1])), *lines])


def _tile(frame: np.ndarray, mask: np.ndarray, truth: np.ndarray, t: int, colour: tuple[int, int, int]) -> np.ndarray:
    image = frame.copy()
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, outlines, -1, (0, 0, 0), 5)
    cv2.drawContours(image, outlines, -1, colour, 3)
    height = round(TILE_WIDTH * frame.shape[0] / frame.shape[1])
    small = cv2.resize(image, (TILE_WIDTH - 2, height), interpolation=cv2.INTER_AREA)
    small = cv2.copyMakeBorder(small, 0, 0, 1, 1, cv2.BORDER_CONSTANT)
    union = np.count_nonzero(mask | truth)
    share = np.count_nonzero(mask & truth) / union if union else 1.0
    return np.concatenate([_caption(f"{t}   J {100 * share:.0f}", (CAPTION_HEIGHT, TILE_WIDTH)), small])


def _caption(text: str, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 3): light words on dark, at the upper left."""
    image = np.full((*size, 3), 40, np.uint8)
    return cv2.putText(image, text, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
