"""How much of the gain depends on the image model: the same comparison for checkpoints from along its training.

python benchmarks/video_checkpoints.py runs/rule4_1750.safetensors runs/rule4_5250.safetensors s2rm_tiny

Each model is a row: its presence thresholds are chosen on 32 validation videos of seed 0 (`video_gain.py --tune`), its
figures are of other validation videos, of seed 1 (`video_gain.py --seed 1`). Nothing of the test split is looked at.
The checkpoints are made by `rvos train experiment=synthetic_s2rm_tiny out=runs/rule4 eval_every=1750`, the first of the
embedded model's own commands, whose model.safetensors is copied after steps 1,750 and 5,250. Writes
video_checkpoints.json and video_checkpoints.png beside this file.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
from video_models import HERE, Row, measured, write_rows
from video_systems import ALWAYS_SHOWN, FRAME_BY_FRAME

from image_core.checkpoint import load_model
from image_core.segmenter import find_model

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RUNS = Path("runs/video_checkpoints")
SYSTEMS = (FRAME_BY_FRAME, ALWAYS_SHOWN, "memory")
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
        "memory_over_baselines": document["memory_over_baselines"],
        "constant_share_of_error": document["constant_share_of_error"]["all"],
    }


def draw(rows: list[Row], path: Path) -> None:
    """J&F of the systems, and what memory gains, over the steps of training."""
    steps = [row["steps"] for row in rows]
    figure, (scores, gains) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for name in SYSTEMS:
        scores.plot(steps, [100 * row["systems"][name]["J&F"] for row in rows], marker="o", label=name)
    found = [row["gain_over_frame_by_frame"]["memory"] for row in rows]
    means = [100 * gain["mean"] for gain in found]
    reach = [[100 * abs(gain["interval"][i] - gain["mean"]) for gain in found] for i in (0, 1)]
    gains.errorbar(steps, means, reach, marker="o", capsize=3)
    scores.set_ylabel("J&F on visible frames, %")
    gains.set_ylabel("memory less frame by frame, points")
    gains.set_ylim(bottom=0)
    scores.legend()
    for axes in (scores, gains):
        axes.set_xlabel("training steps of the image model")
        axes.set_xticks(steps, [f"{step:,}" for step in steps])
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)


def main() -> None:
    rows = write_rows("video_checkpoints", __doc__ or "", row, "checkpoints")
    draw(rows, HERE / "video_checkpoints.png")
    for found in rows:
        told = ", ".join(f"{name} {100 * figures['J&F']:.1f}" for name, figures in found["systems"].items())
        gain = found["gain_over_frame_by_frame"]["memory"]
        low, high = (100 * end for end in gain["interval"])
        print(f"{found['steps']:6} steps: {told}; memory {100 * gain['mean']:+.1f} [{low:.1f}, {high:.1f}]")


if __name__ == "__main__":
    main()
