"""Which reading of S2RM's recurrence learns best: at equal samples, and at equal processor time.

python benchmarks/s2rm_readings.py [--steps N] [--interval N] [--only NAME ...]

Trains the synthetic experiment's network from scratch once for each reading (constant learning rate, 128 px, one seed,
one thread) and scores the averaged weights on the same validation pictures at equal intervals. Writes
s2rm_readings.json and s2rm_readings.png beside this file. Finished readings are kept in runs/readings; the same command
continues.
"""

from __future__ import annotations

import argparse
import copy
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import torch
from machine import describe_machine

from image_core.checkpoint import LoadedModel, Provenance
from image_core.evaluation.scoring import evaluate_images, predict_with
from image_core.models.table import build_model
from image_core.segmenter import ImageSegmenter
from image_core.synthetic.dataset import SyntheticImages
from image_core.training.engine import Engine
from rvos.configuration import train_settings

HERE = Path(__file__).parent
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


def measure(name: str, steps: int, interval: int) -> list[dict[str, float]]:
    """[{samples, cpu_s, mIoU, gIoU}] of one reading; cpu_s is training alone, without the scoring."""
    out = Path("runs/readings") / name.replace(" ", "_").replace(",", "")
    finished = out / "points.json"
    if finished.exists():
        return json.loads(finished.read_text())
    changes = [f"model.config.{change}" for change in READINGS[name]]
    settings = train_settings(
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
    points: list[dict[str, float]] = []
    scoring_s = 0.0
    began = time.process_time()

    def validate(weights: Any, step: int) -> dict[str, float]:
        nonlocal scoring_s
        start = time.process_time()
        trained_s = start - began - scoring_s
        model = copy.deepcopy(engine.plain_model).eval()
        model.load_state_dict(dict(weights))
        loaded = LoadedModel(model, settings.model, settings.preprocessing, Provenance())
        figures = evaluate_images(predict_with(ImageSegmenter(loaded, "cpu", "bf16")), held_out, settings.eval_images)
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
    finished.write_text(json.dumps(points))
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--interval", type=int, default=150)
    parser.add_argument("--only", nargs="*", default=list(READINGS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    curves = {name: measure(name, arguments.steps, arguments.interval) for name in arguments.only}
    shortest_s = min(points[-1]["cpu_s"] for points in curves.values())
    document = {
        "command": shlex.join(["python", "benchmarks/s2rm_readings.py", *sys.argv[1:]]),
        "machine": describe_machine(),
        "seed": 0,
        "validation_pictures": 150,
        "mIoU_at_equal_samples": {name: points[-1]["mIoU"] for name, points in curves.items()},
        "samples": next(iter(curves.values()))[-1]["samples"],
        "mIoU_at_equal_time": {name: at_time(points, shortest_s) for name, points in curves.items()},
        "time_s": shortest_s,
        "relative_cost": {name: round(points[-1]["cpu_s"] / shortest_s, 2) for name, points in curves.items()},
        "curves": curves,
    }
    (HERE / "s2rm_readings.json").write_text(json.dumps(document, indent=1) + "\n")
    draw(curves, HERE / "s2rm_readings.png")
    print(
        json.dumps({k: document[k] for k in ("mIoU_at_equal_samples", "mIoU_at_equal_time", "relative_cost")}, indent=1)
    )


def at_time(points: list[dict[str, float]], seconds: float) -> float:
    """mIoU after `seconds`, linear between the points (0 at the start)."""
    import numpy as np

    times, values = [0.0, *(p["cpu_s"] for p in points)], [0.0, *(p["mIoU"] for p in points)]
    return round(float(np.interp(seconds, times, values)), 4)


def draw(curves: dict[str, list[dict[str, float]]], path: Path) -> None:
    """mIoU over samples and over time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
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
    main()
