"""Plots the figures of propagation_speed.py: speed over loss of quality, and the time of a frame by stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.speed.stage_clock import STAGES


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Above: loss of J&F over frames/s of the embedded model. Below: milliseconds per frame of each large model."""
    figure = Figure(figsize=(12, 8.5), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    above, below = parts
    _draw_losses(above.subplots(), document["embedded"])
    panels = below.subplots(1, len(document["large"]))
    for axes, (name, table) in zip(panels, document["large"].items(), strict=True):
        _draw_stages(axes, table)
        axes.set_title(f"{name}, random weights, one expression", fontsize=10)
    below.legend(*panels[0].get_legend_handles_labels(), fontsize=8, ncols=len(STAGES), loc="outside lower center")
    figure.savefig(path, dpi=110)


def _draw_losses(axes: Any, table: Mapping[str, Any]) -> None:
    for position, (name, row) in enumerate(table.items()):
        lost, ends = 100 * row["J&F_lost"], [100 * end for end in row["J&F_lost_interval"]]
        reach = np.maximum([[lost - ends[0]], [ends[1] - lost]], 0)
        marker = "o^s"[position % 3]
        axes.errorbar(row["frames_per_s"], lost, yerr=reach, fmt=marker, capsize=3, label=name, color=f"C{position}")
    axes.axhline(0, color="0.6", lw=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("frames/s, all stable expressions of a video at once, one thread")
    axes.set_ylabel("points of J&F lost (95 % interval)")
    axes.set_title("embedded model on synthetic validation videos", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _draw_stages(axes: Any, table: Mapping[str, Any]) -> None:
    places, left = np.arange(len(table)), np.zeros(len(table))
    for position, stage in enumerate(STAGES):
        values = np.array([row["ms_a_frame"][stage] for row in table.values()])
        axes.barh(places, values, left=left, label=stage, color=f"C{position}")
        left += values
    for place, row, end in zip(places, table.values(), left, strict=True):
        axes.text(end, place, f" {row['times']:.2f} x", va="center", fontsize=8)
    axes.set_yticks(places, list(table))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * left.max())
    axes.set_xlabel("ms a frame, one thread")
