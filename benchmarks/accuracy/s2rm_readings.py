"""Which reading of S2RM's recurrence learns best: at equal samples, and at equal processor time.

python -m benchmarks.accuracy.s2rm_readings [--steps N] [--interval N] [--only NAME ...]

Trains the synthetic experiment's network from scratch once for each reading (constant learning rate, 128 px, one seed,
one thread) and scores the averaged weights on the same validation pictures at equal intervals. Finished readings are
kept in runs/readings; the same command continues. A reading of 900 steps takes about an hour.

The result is s2rm_readings.json with s2rm_readings.png, beside this file.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from benchmarks.harness.rows import Rows
from image_core.evaluation.scoring import evaluate_images, predict_with
from image_core.models.table import build_model
from image_core.segmenter import ImageSegmenter
from image_core.synthetic.dataset import SyntheticImages
from image_core.training.engine import Engine
from rvos.configuration import train_config

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/readings")
SIZE_PX = 128
READINGS: dict[str, list[str]] = {
    "no shift": ["update=overwrite", "max_steps=[1,1,1]"],
    "overwrite": ["update=overwrite", "max_steps=[4,8,4]"],
    "gated": ["update=gated", "max_steps=[4,8,4]"],
    "accumulate": ["update=accumulate", "max_steps=[4,8,4]"],
    "side by side": ["update=side_by_side", "max_steps=[4,8,4]"],
    "side by side, no balancing": ["update=side_by_side", "max_steps=[4,8,4]", "balancing=none"],
    "side by side, no CASG attention": ["update=side_by_side", "max_steps=[4,8,4]", "casg_attention=false"],
    "side by side, l2v alone": ["update=side_by_side", "max_steps=[4,8,4]", "directions=[l2v]"],
}


Point = dict[str, float]


def curves_of(names: Sequence[str], steps: int, interval: int) -> dict[str, list[Point]]:
    """Reading -> its points; those that are on the disk are not trained again."""
    with Rows(RUNS, "curves", {"steps": steps, "interval": interval, "size_px": SIZE_PX}) as file:
        done = {row["reading"]: row["points"] for row in file.rows}
        for name in names:
            if name not in done:
                done[name] = measure(name, steps, interval, file.path.parent)
                file.append([{"reading": name, "points": done[name]}])
    return {name: done[name] for name in names}


def measure(name: str, steps: int, interval: int, folder: Path) -> list[Point]:
    """[{samples, cpu_s, mIoU, gIoU}] of one reading; cpu_s is training alone, without the scoring."""
    out = folder / name.replace(" ", "_").replace(",", "")
    changes = [f"model.config.{change}" for change in READINGS[name]]
    settings = train_config(
        [
            "experiment=synthetic_s2rm_tiny", *changes, f"out={out}", f"steps={steps}", "sizes=[]",
            f"preprocessing.size_px={SIZE_PX}", "optimiser.decay=constant", "optimiser.warmup_steps=200", "ema=0.99",
            f"eval_every={interval}", "device=cpu", "save_every=1000000",
        ]
    )  # fmt: skip
    torch.manual_seed(0)
    samples = SyntheticImages("train", 0, (SIZE_PX, SIZE_PX), settings.data.expressions_per_image)
    held_out = SyntheticImages("val", 0, (SIZE_PX, SIZE_PX))
    engine = Engine(build_model(settings.model), samples, settings)
    points: list[Point] = []
    scoring_s = 0.0
    began = time.process_time()

    def validate(weights: Any, step: int) -> Point:
        nonlocal scoring_s
        start = time.process_time()
        trained_s = start - began - scoring_s
        model = copy.deepcopy(engine.plain_model).eval()
        model.load_state_dict(dict(weights))
        segmenter = ImageSegmenter(model, settings.preprocessing, precision="bf16")
        figures = evaluate_images(predict_with(segmenter), held_out, settings.eval_images)
        scoring_s += time.process_time() - start
        point = {
            "samples": step * settings.batch_images * settings.data.expressions_per_image,
            "cpu_s": round(trained_s, 1),
            "mIoU": round(figures["mIoU"], 4),
            "gIoU": round(figures["gIoU"], 4),
        }
        points.append(point)
        return point

    engine.run(validate)
    return points


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--interval", type=int, default=150)
    parser.add_argument("--only", nargs="+", choices=list(READINGS), default=list(READINGS), metavar="NAME")
    arguments = parser.parse_args()
    one_thread()
    curves = curves_of(arguments.only, arguments.steps, arguments.interval)
    shortest_s = min(points[-1]["cpu_s"] for points in curves.values())
    figures = {
        "seed": 0,
        "validation_pictures": 150,
        "mIoU_at_equal_samples": {name: points[-1]["mIoU"] for name, points in curves.items()},
        "samples": next(iter(curves.values()))[-1]["samples"],
        "mIoU_at_equal_time": {name: at_time(points, shortest_s) for name, points in curves.items()},
        "time_s": shortest_s,
        "relative_cost": {name: round(points[-1]["cpu_s"] / shortest_s, 2) for name, points in curves.items()},
        "curves": curves,
    }
    BENCHMARK.write(arguments.out, figures)
    draw(curves, arguments.out.with_suffix(".png"))
    told = ("mIoU_at_equal_samples", "mIoU_at_equal_time", "relative_cost")
    print(json.dumps({key: figures[key] for key in told}, indent=1))


def at_time(points: list[Point], seconds: float) -> float:
    """mIoU after `seconds`, linear between the points (0 at the start)."""
    times, values = [0.0, *(p["cpu_s"] for p in points)], [0.0, *(p["mIoU"] for p in points)]
    return round(float(np.interp(seconds, times, values)), 4)


def draw(curves: dict[str, list[Point]], path: Path) -> None:
    """mIoU over samples and over time."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for axes, key, label in zip(
        figure.subplots(1, 2, sharey=True), ("samples", "cpu_s"), ("expressions seen", "processor seconds"), strict=True
    ):
        for name, points in curves.items():
            axes.plot([p[key] for p in points], [p["mIoU"] for p in points], marker=".", label=name)
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("mIoU on validation")
    figure.axes[1].legend(fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    BENCHMARK.start(main)
