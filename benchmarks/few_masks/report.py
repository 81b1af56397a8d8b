"""The table and the curve of learning with few masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.harness.rows import Row

LABELS = {
    "labels": "labels alone",
    "unfiltered": "pseudo labels, unfiltered",
    "full": "full method",
    "partial_res": "Partial-RES, 100 % boxes",
}


def table(rows: Sequence[Row]) -> str:
    """A line an arm: share, mIoU, Pr@0.5, the families, and what became of the pseudo labels of the last round."""
    families = sorted({name for row in rows for name in row["families"]})
    lines = [f"{'arm':28} {'mIoU':>6} {'Pr@0.5':>6} " + " ".join(f"{name[:8]:>8}" for name in families)]
    for row in rows:
        cells = " ".join(f"{100 * row['families'][name]:8.1f}" for name in families)
        lines.append(f"{row['arm']['name']:28} {100 * row['mIoU']:6.1f} {100 * row['Pr@0.5']:6.1f} {cells}")
        for round, pseudo in enumerate(row["pseudo"], 1):
            counts = ", ".join(f"{kind} {of['count']} of mIoU {_points(of['mIoU'])}" for kind, of in pseudo.items())
            lines.append(f"    round {round}: {counts}")
    return "\n".join(lines)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Plot mIoU over the share of masks, one line per method through the mean of the seeds, which are dots."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for method, label in LABELS.items():
        points: dict[float, list[float]] = {}
        for row in rows:
            arm = row["arm"]
            if arm["method"] == method and not arm["ablation"]:
                points.setdefault(100 * arm["share"], []).append(100 * row["mIoU"])
        if not points:
            continue
        shares = sorted(points)
        line = axes.plot(shares, [sum(points[s]) / len(points[s]) for s in shares], marker="o", label=label)[0]
        for share in shares:
            axes.scatter([share] * len(points[share]), points[share], s=14, color=line.get_color(), alpha=0.5)
    axes.set_xscale("log")
    axes.set_xticks([10, 30, 100], ["10 %", "30 %", "100 %"])
    axes.minorticks_off()
    axes.set_xlim(8, 125)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("share of the images that have masks")
    axes.set_ylabel("mIoU on 400 test images, %")
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside upper center", ncols=2)
    figure.savefig(path, dpi=130)


def _points(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
