"""SafaRi through the gain benchmark beside S2RM: the same pictures, masks and steps, both from scratch.

python benchmarks/few_masks.py --only labels_100_s0
cp runs/few_masks/labels_100_s0/round_2/model.safetensors runs/safari.safetensors
rvos train experiment=synthetic_s2rm_tiny out=runs/few_masks_s2rm data=refcoco data.root=runs/few_masks/data \\
    data.expressions_per_image=4 data.augment=true data.images=null steps=2500 sizes=[] ema=0.99 workers=0 \\
    optimiser.warmup_steps=100 eval_every=100000 eval_images=100
cp runs/few_masks_s2rm/model.safetensors runs/s2rm.safetensors
python benchmarks/video_cores.py runs/safari.safetensors runs/s2rm.safetensors

An arm that few_masks.json has is not run again: for the first of these, move that file away. SafaRi's rate falls three
times, in the stages of its arm, S2RM's once. Both learn on scenes of few, large objects that always hold what is spoken
of: what is away they were never told. Thresholds are chosen and figures taken as video_models.py says. `memory_key_4`
is what contours need most: they are decoded on every fourth frame and carried between. Writes video_cores.json and
video_cores.png beside this file.
"""

from __future__ import annotations

import json
from pathlib import Path

import video_thresholds
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from video_gain import points
from video_models import HERE, Row, measured, write_rows
from video_pictures import draw_panel
from video_systems import ALWAYS_SHOWN, FRAME_BY_FRAME

from image_core.checkpoint import load_model
from image_core.segmenter import find_model

RUNS = Path("runs/video_cores")
SYSTEMS = (FRAME_BY_FRAME, ALWAYS_SHOWN, "memory", "memory_key_4")


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
    chosen = json.loads(video_thresholds.FILE.read_text())["models"][model_sha256]["systems"]
    kept = ("on", "off", video_thresholds.CRITERION, "never_gated")
    return {name: {key: chosen[name][key] for key in kept} for name in SYSTEMS if name in chosen}


def draw(rows: list[Row], path: Path) -> None:
    """J&F by family, a panel a model."""
    figure = Figure(figsize=(13, 3.6 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, row in zip(figure.subplots(len(rows), 1, sharey=True, squeeze=False)[:, 0], rows, strict=True):
        draw_panel(axes, row["systems"])
        axes.set_title(row["core"], fontsize=10)
        axes.set_ylabel("J&F, visible frames")
    figure.savefig(path, dpi=110)


def main() -> None:
    rows = write_rows("video_cores", __doc__ or "", row, "models")
    draw(rows, HERE / "video_cores.png")
    for found in rows:
        for name, figures in found["systems"].items():
            told = ", ".join(f"{key} {points(figures[key])}" for key in ("J&F", "N-acc", "T-acc"))
            without = points(found["tuned"].get(name, {}).get("never_gated"))
            print(f"{found['core']:7} {name:15} {told}; tuning videos, all frames, never gated {without}")


if __name__ == "__main__":
    main()
