"""What a run writes about its progress: `log.jsonl`, a line on the terminal, and `curves.png`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from image_core.json_lines import append_lines, read_lines, write_lines

logger = logging.getLogger(__name__)


class TrainingLog:
    """Appends to `log.jsonl` of a run; on resuming at `step`, later lines (of what is repeated) are dropped."""

    def __init__(self, out: Path, step: int) -> None:
        self.path, self.curves = out / "log.jsonl", out / "curves.png"
        kept = [line for line in read_log(self.path) if line["step"] <= step]
        write_lines(self.path, kept)
        self.validated = {line["step"] for line in kept if line["kind"] == "validation"}

    def _append(self, line: Mapping[str, Any]) -> None:
        append_lines(self.path, [line])

    def training(self, step: int, steps: int, terms: Mapping[str, Tensor], lr: float, images_per_s: float) -> None:
        """One line of losses."""
        values = {k: round(v.item(), 6) for k, v in terms.items()}
        self._append({"step": step, "kind": "train", **values, "lr": lr, "images_per_s": round(images_per_s, 2)})
        shown = " ".join(f"{k} {v:.3f}" for k, v in values.items())
        logger.info("step %d/%d  %s  lr %.1e  %.1f images/s", step, steps, shown, lr, images_per_s)

    def validation(self, step: int, metrics: Mapping[str, Any]) -> None:
        """One line of validation figures, and redraw the curves."""
        self._append({"step": step, "kind": "validation", **metrics})
        logger.info("validation at %d: %s", step, " ".join(f"{k} {v:.4f}" for k, v in metrics.items()))
        draw_curves(self.path, self.curves)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, [] when there is none; a last line cut by a kill is left out. Raises `DamagedError` where
    another line is damaged."""
    return list(read_lines(path, _checked, "remove the line, or the run's folder"))


def _checked(line: Any) -> dict[str, Any]:
    if not (isinstance(line, dict) and {"step", "kind"} <= line.keys()):
        raise ValueError("no step and kind in it")
    return line


def draw_curves(log: Path, out: Path) -> None:
    """Losses and validation figures over steps, as an image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = read_log(log)
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    for axes, kind, leave_out in (
        (losses, "train", {"lr", "images_per_s", "gradient_norm"}),
        (scores, "validation", set()),
    ):
        rows = [line for line in lines if line["kind"] == kind]
        for name in dict.fromkeys(key for row in rows for key in row):
            if name in {"step", "kind"} | leave_out:
                continue
            points = [(row["step"], row[name]) for row in rows if name in row]
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1, marker="." if kind == "validation" else "")
        axes.set_xlabel("step")
        axes.set_title("training losses" if kind == "train" else "validation")
        axes.grid(alpha=0.3)
        if rows:
            axes.legend(fontsize=8)
    scores.set_ylim(0, 1)
    figure.savefig(out, dpi=110)
