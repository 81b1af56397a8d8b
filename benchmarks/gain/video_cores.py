"""SafaRi through the gain benchmark beside S2RM: the same pictures, masks and steps, both from scratch.

python -m benchmarks.few_masks.few_masks --only labels_100_s0
cp runs/few_masks/labels_100_s0/round_2/model.safetensors runs/safari.safetensors
rvos train experiment=synthetic_s2rm_tiny out=runs/few_masks_s2rm data=refcoco data.root=runs/few_masks/data \\
    data.expressions_per_image=4 data.augment=true data.images=null steps=2500 sizes=[] ema=0.99 workers=0 \\
    optimiser.warmup_steps=100 eval_every=100000 eval_images=100
cp runs/few_masks_s2rm/model.safetensors runs/s2rm.safetensors
python -m benchmarks.gain.video_cores runs/safari.safetensors runs/s2rm.safetensors

An arm that few_masks.json has is not run again: for the first of these, move that file away. SafaRi's rate falls three
times, in the stages of its arm, S2RM's once. Both learn on scenes of few, large objects that always hold what is spoken
of: what is away they were never told. Thresholds are chosen and figures taken as in video_checkpoints.py, and it takes
as long. `tracks_key_4` is what contours need most: they are decoded on every fourth frame and carried between.

The result is video_cores.json with video_cores.png, beside this file.
"""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.gain import thresholds
from benchmarks.gain.other_models import measure_models, measured
from benchmarks.gain.pictures import draw_panel
from benchmarks.gain.report import points
from benchmarks.gain.systems import ALWAYS_SHOWN, FRAME_BY_FRAME
from benchmarks.harness.command import Benchmark
from benchmarks.harness.rows import Row
from image_core.checkpoint import load_model
from image_core.weights import find_model

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/video_cores")
SYSTEMS = (FRAME_BY_FRAME, ALWAYS_SHOWN, "tracks", "tracks_key_4")


def row(model: str, per_family: int, workers: int) -> Row:
    """The figures of one model."""
    loaded = load_model(find_model(model))
    document = measured(model, SYSTEMS, per_family, workers, RUNS)
    kept = ("model", "model_sha256", "gain_over_frame_by_frame", "constant_share_of_error")
    return {
        **{key: document[key] for key in kept},
        "core": loaded.spec.name,
        "parameters": sum(value.numel() for value in loaded.model.parameters()),
        "training": {"steps": loaded.provenance.steps, "val": loaded.provenance.scores["val"]},
        "tuned": tuned(document["model_sha256"]),
        "cpu_ms_per_frame_and_expression": document["cpu_ms_per_frame_and_expression"],
        "systems": document["stable"]["causal"],
    }


def tuned(model_sha256: str) -> dict[str, dict[str, float]]:
    """System -> its thresholds, and J&F over all frames of the videos they were chosen on, with them and never gated.

    With a model that is seldom right the criterion may choose to show nothing: the latter tells what masks are worth.
    """
    chosen = json.loads(thresholds.FILE.read_text())["models"][model_sha256]["systems"]
    kept = ("on", "off", thresholds.CRITERION, "never_gated")
    return {name: {key: chosen[name][key] for key in kept} for name in SYSTEMS if name in chosen}


def draw(rows: list[Row], path: Path) -> None:
    """J&F by family, a panel a model."""
    figure = Figure(figsize=(13, 3.6 * len(rows)), layout="constrained")
    for axes, row in zip(figure.subplots(len(rows), 1, sharey=True, squeeze=False)[:, 0], rows, strict=True):
        draw_panel(axes, row["systems"])
        axes.set_title(row["core"], fontsize=10)
        axes.set_ylabel("J&F, visible frames")
    figure.savefig(path, dpi=110)


def main() -> None:
    out, rows = measure_models(BENCHMARK, row, "models")
    draw(rows, out.with_suffix(".png"))
    for of_model in rows:
        for name, figures in of_model["systems"].items():
            told = ", ".join(f"{key} {points(figures[key])}" for key in ("J&F", "N-acc", "T-acc"))
            without = points(of_model["tuned"].get(name, {}).get("never_gated"))
            print(f"{of_model['core']:7} {name:15} {told}; tuning videos, all frames, never gated {without}")


if __name__ == "__main__":
    BENCHMARK.start(main)
