"""The gain benchmark with every core: the models of `benchmarks.accuracy.cores`, which were trained in the same way.

python -m benchmarks.accuracy.cores
python -m benchmarks.gain.video_cores runs/cores/1500_steps/*_0/model.safetensors [--per-family N] [--tune N]

Frame by frame, without a presence threshold, with the default tracker, and with the tracker on answers of every fourth
frame, which saves most for contour models. Each model's presence thresholds are chosen on validation videos of seed 0;
its figures are of those of seed 1. The test split is not used. A video takes about 20 seconds.

The result is video_cores.json with video_cores.png, beside this file. It keeps what an earlier call with the same
settings measured of other cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.gain import thresholds
from benchmarks.gain.pictures import draw_panel
from benchmarks.gain.report import points
from benchmarks.gain.systems import ALWAYS_SHOWN, FRAME_BY_FRAME, SYSTEMS
from benchmarks.harness.command import Benchmark
from benchmarks.harness.rows import Row, rows_with_earlier
from image_core.checkpoint import load_model

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/video_cores")
COMPARED = (FRAME_BY_FRAME, ALWAYS_SHOWN, "tracks", "tracks_key_4")
SEEDS = {"tuned": 0, "measured": 1}
"""Seeds of the validation videos."""


def row(model: Path, per_family: int, tuning: int, workers: int) -> Row:
    """The figures of one model."""
    loaded = load_model(model)
    document = measured(model, RUNS / f"{loaded.spec.name}.json", per_family, tuning, workers)
    kept = ("model_sha256", "gain_over_frame_by_frame", "constant_share_of_error")
    return {
        **{key: document[key] for key in kept},
        "core": loaded.spec.name,
        "parameters": sum(value.numel() for value in loaded.model.parameters()),
        "training": {"steps": loaded.provenance.steps, "val": loaded.provenance.scores["val"]},
        "tuned": tuned(document["model_sha256"]),
        "cpu_ms_per_frame_and_expression": document["cpu_ms_per_frame_and_expression"],
        "systems": document["stable"]["causal"],
    }


def measured(model: Path, out: Path, per_family: int, tuning: int, workers: int) -> dict[str, Any]:
    """The result of the gain benchmark for a model, written to `out`, with thresholds that are chosen first."""
    common = ["--model", str(model), "--workers", str(workers), "--seed"]
    chosen = [name for name in COMPARED if SYSTEMS[name].is_tuned]
    video_gain(*common, str(SEEDS["tuned"]), "--tune", "--per-family", str(tuning), "--systems", *chosen)
    figures = ["--per-family", str(per_family), "--systems", *COMPARED, "--out", str(out)]
    video_gain(*common, str(SEEDS["measured"]), *figures)
    return json.loads(out.read_text())


def video_gain(*arguments: str) -> None:
    """Run the gain benchmark; its output is printed."""
    subprocess.run([sys.executable, "-m", "benchmarks.gain.video_gain", *arguments], check=True)


def tuned(model_sha256: str) -> dict[str, dict[str, float]]:
    """System -> its thresholds, and J&F over all frames of the tuning videos, with them and without a threshold.

    For a model that is seldom right the criterion may choose to show nothing: then the latter shows the quality of the
    masks.
    """
    chosen = json.loads(thresholds.FILE.read_text())["models"][model_sha256]["systems"]
    kept = ("on", "off", thresholds.CRITERION, "never_gated")
    return {name: {key: chosen[name][key] for key in kept} for name in COMPARED if name in chosen}


def draw(rows: list[Row], path: Path) -> None:
    """Plot J&F by family, one panel per model."""
    figure = Figure(figsize=(13, 3.6 * len(rows)), layout="constrained")
    for axes, row in zip(figure.subplots(len(rows), 1, sharey=True, squeeze=False)[:, 0], rows, strict=True):
        draw_panel(axes, row["systems"])
        axes.set_title(row["core"], fontsize=10)
        axes.set_ylabel("J&F, visible frames")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = BENCHMARK.parser(workers=2)
    parser.add_argument("models", nargs="+", type=Path, help="model files, of each core one")
    parser.add_argument("--per-family", type=int, default=8, help="videos a family that figures are of (8)")
    parser.add_argument("--tune", type=int, default=4, help="videos a family that thresholds are chosen on (4)")
    arguments = parser.parse_args()
    counts = (arguments.per_family, arguments.tune)
    rows = [row(model, *counts, arguments.workers) for model in arguments.models]
    settings = {"split": "val", "seeds": SEEDS, "per_family": arguments.per_family, "tuned_per_family": arguments.tune}
    models = rows_with_earlier(rows, arguments.out, settings, by=("core",), key="models")
    BENCHMARK.write(arguments.out, {**settings, "models": models})
    draw(models, arguments.out.with_suffix(".png"))
    for of_model in rows:
        for name, figures in of_model["systems"].items():
            figures_text = ", ".join(f"{key} {points(figures[key])}" for key in ("J&F", "N-acc", "T-acc"))
            without = points(of_model["tuned"].get(name, {}).get("never_gated"))
            print(f"{of_model['core']:11} {name:15} {figures_text}; tuning videos, all frames, never gated {without}")


if __name__ == "__main__":
    BENCHMARK.start(main)
