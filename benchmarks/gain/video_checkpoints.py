"""How much of the gain depends on the image model: the same comparison for checkpoints from along its training.

python -m benchmarks.gain.video_checkpoints runs/rule4_1750.safetensors runs/rule4_5250.safetensors s2rm_tiny

Each model is a row: its presence thresholds are chosen on 32 validation videos of seed 0 (`video_gain --tune`), its
figures are of other validation videos, of seed 1 (`video_gain --seed 1`). The test split is left alone. The checkpoints
are made by `rvos train experiment=synthetic_s2rm_tiny out=runs/rule4 eval_every=1750`, the first of the embedded
model's own commands: copy its model.safetensors after steps 1,750 and 5,250.

The result is video_checkpoints.json with video_checkpoints.png, beside this file.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.gain.other_models import measure_models, measured
from benchmarks.gain.systems import ALWAYS_SHOWN, FRAME_BY_FRAME
from benchmarks.harness.command import Benchmark
from benchmarks.harness.rows import Row
from image_core.checkpoint import load_model
from image_core.weights import find_model

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/video_checkpoints")
SYSTEMS = (FRAME_BY_FRAME, ALWAYS_SHOWN, "tracks")
FIGURES = ("J&F", "N-acc", "T-acc", "J&F_all_frames")


def row(model: str, per_family: int, workers: int) -> Row:
    """The comparison for one model."""
    provenance = load_model(find_model(model)).provenance
    document = measured(model, SYSTEMS, per_family, workers, RUNS)
    causal = document["stable"]["causal"]
    return {
        "model": find_model(model).stem,
        "model_sha256": document["model_sha256"],
        "steps": provenance.steps,
        "commit": provenance.commit,
        "val_pictures": provenance.scores.get("val", {}),
        "thresholds": {name: document["thresholds"][name] for name in SYSTEMS},
        "expressions_with_target": causal[FRAME_BY_FRAME]["expressions_with_target"],
        "systems": {name: {figure: causal[name][figure] for figure in FIGURES} for name in SYSTEMS},
        "gain_over_frame_by_frame": document["gain_over_frame_by_frame"],
        "tracks_over_baselines": document["tracks_over_baselines"],
        "constant_share_of_error": document["constant_share_of_error"]["all"],
    }


def draw(rows: list[Row], path: Path) -> None:
    """J&F of the systems, and what `tracks` gains, over the steps of training."""
    steps = [row["steps"] for row in rows]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    scores, gains = figure.subplots(1, 2)
    for name in SYSTEMS:
        scores.plot(steps, [100 * row["systems"][name]["J&F"] for row in rows], marker="o", label=name)
    gained = [row["gain_over_frame_by_frame"]["tracks"] for row in rows]
    means = [100 * gain["mean"] for gain in gained]
    reach = [[100 * abs(gain["interval"][i] - gain["mean"]) for gain in gained] for i in (0, 1)]
    gains.errorbar(steps, means, reach, marker="o", capsize=3)
    scores.set_ylabel("J&F on visible frames, %")
    gains.set_ylabel("tracks less frame by frame, points")
    gains.set_ylim(bottom=0)
    scores.legend()
    for axes in (scores, gains):
        axes.set_xlabel("training steps of the image model")
        axes.set_xticks(steps, [f"{step:,}" for step in steps])
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)


def main() -> None:
    out, rows = measure_models(BENCHMARK, row, "checkpoints")
    draw(rows, out.with_suffix(".png"))
    for of_model in rows:
        told = ", ".join(f"{name} {100 * figures['J&F']:.1f}" for name, figures in of_model["systems"].items())
        gain = of_model["gain_over_frame_by_frame"]["tracks"]
        low, high = (100 * end for end in gain["interval"])
        print(f"{of_model['steps']:6} steps: {told}; tracks {100 * gain['mean']:+.1f} [{low:.1f}, {high:.1f}]")


if __name__ == "__main__":
    BENCHMARK.start(main)
