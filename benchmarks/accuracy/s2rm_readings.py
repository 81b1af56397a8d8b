"""Which reading of S2RM's recurrence learns best: at equal samples, and at equal processor time.

python -m benchmarks.accuracy.s2rm_readings [--steps N] [--interval N] [--seeds N ...] [--only NAME ...]

Trains the synthetic experiment's network from scratch for each reading and seed (constant learning rate, 128 px, one
thread) and scores the averaged weights on the same validation pictures at equal intervals. Finished runs are kept in
runs/readings; the same command continues. 900 steps take a quarter of an hour on a whole core.

The result is s2rm_readings.json with s2rm_readings.png, beside this file.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Sequence
from itertools import product
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
from image_core.synthetic.fingerprint import pictures_sha256
from image_core.training.engine import Engine
from rvos.configuration import train_config

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/readings")
SIZE_PX = 128
FULL = "max_steps=[1,0,0]"
READINGS: dict[str, list[str]] = {
    "overwrite": ["update=overwrite", FULL],
    "gated": ["update=gated", FULL],
    "accumulate": ["update=accumulate", FULL],
    "side by side": ["update=side_by_side", FULL],
    "side by side, lattice": ["update=side_by_side", "max_steps=[4,8,4]"],
    "side by side, no shift": ["update=side_by_side", "max_steps=[1,1,1]"],
    "side by side, every row at stride 8": ["update=side_by_side", "max_steps=[0,0,0]"],
    "side by side, strides 16 and 32 alone": ["update=side_by_side", "fused_strides=[16,32]", "max_steps=[0,0]"],
}
"""All rows are heard at strides 16 and 32 and one's own at stride 8, unless the name says otherwise."""


Point = dict[str, float]


def curves_of(names: Sequence[str], seeds: Sequence[int], steps: int, interval: int) -> dict[str, list[list[Point]]]:
    """Reading -> the points of each seed; those that are on the disk are not trained again."""
    kept = {"steps": steps, "interval": interval, "size_px": SIZE_PX, "pictures_sha256": pictures_sha256()}
    with Rows(RUNS, "curves", kept) as file:
        done = {(row["reading"], row["seed"]): row["points"] for row in file.rows}
        for seed, name in product(seeds, names):
            if (name, seed) not in done:
                done[name, seed] = measure(name, seed, steps, interval, file.path.parent)
                file.append([{"reading": name, "seed": seed, "points": done[name, seed]}])
    return {name: [done[name, seed] for seed in seeds] for name in names}


def measure(name: str, seed: int, steps: int, interval: int, folder: Path) -> list[Point]:
    """[{samples, cpu_s, mIoU, gIoU}] of one run; cpu_s is training alone, without the scoring."""
    out = folder / f"{name.replace(' ', '_').replace(',', '')}_{seed}"
    changes = [f"model.config.{change}" for change in READINGS[name]]
    settings = train_config(
        [
            "experiment=synthetic_s2rm_tiny", *changes, f"out={out}", f"steps={steps}", "sizes=[]",
            f"preprocessing.size_px={SIZE_PX}", "optimiser.decay=constant", "optimiser.warmup_steps=200", "ema=0.99",
            f"eval_every={interval}", "device=cpu", "save_every=1000000", f"seed={seed}",
        ]
    )  # fmt: skip
    torch.manual_seed(seed)
    samples = SyntheticImages("train", seed, (SIZE_PX, SIZE_PX), settings.data.expressions_per_image)
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
        segmenter = ImageSegmenter(model, settings.preprocessing, precision=engine.precision)
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
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(READINGS), default=list(READINGS), metavar="NAME")
    arguments = parser.parse_args()
    one_thread()
    runs = curves_of(arguments.only, arguments.seeds, arguments.steps, arguments.interval)
    cost_s = {name: float(np.mean([points[-1]["cpu_s"] for points in each])) for name, each in runs.items()}
    shortest_s = min(points[-1]["cpu_s"] for each in runs.values() for points in each)
    figures = {
        "seeds": arguments.seeds,
        "validation_pictures": 150,
        "mIoU_at_equal_samples": {name: [points[-1]["mIoU"] for points in each] for name, each in runs.items()},
        "samples": next(iter(runs.values()))[0][-1]["samples"],
        "mIoU_at_equal_time": {name: [at_time(points, shortest_s) for points in each] for name, each in runs.items()},
        "time_s": shortest_s,
        "relative_cost": {name: round(cost / min(cost_s.values()), 2) for name, cost in cost_s.items()},
        "curves": runs,
    }
    BENCHMARK.write(arguments.out, figures)
    draw({name: mean_of(each) for name, each in runs.items()}, arguments.out.with_suffix(".png"))
    told = ("mIoU_at_equal_samples", "mIoU_at_equal_time", "relative_cost")
    print(json.dumps({key: figures[key] for key in told}, indent=1))


def mean_of(runs: list[list[Point]]) -> list[Point]:
    """The points of the seeds, averaged."""
    return [{key: float(np.mean([p[key] for p in points])) for key in points[0]} for points in zip(*runs, strict=True)]


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
