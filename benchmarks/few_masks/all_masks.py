"""SafaRi on all masks of `few_masks`: with more steps, and with encoders that were trained with a dense loss.

python -m benchmarks.few_masks.all_masks [--only ARM ...]

More steps: another 2,500 after the 2,500 of `few_masks --only labels_100_s0`, which has to be finished. Encoders: in
the paper both are trained before SafaRi. Here a dense model, S2RM over SafaRi's own encoders, is trained on the same
masks, and SafaRi begins with its encoders, for 500 steps beside 500 from scratch. The figures locate the errors:
how often the first point is within 16 px of the true one, mIoU with the true first point handed in, and with all true
points given (teacher forcing); mIoU of the head on the cells, and of the true tokens. Runs are kept under
runs/all_masks; the same command continues an interrupted one. The dense model takes 40 minutes on a whole core, 2,500
steps half an hour, and 500 steps seven minutes.

The result is all_masks.json, beside this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch

from benchmarks.few_masks.attention import attention_inside
from benchmarks.few_masks.contour_start import expression_figures
from benchmarks.few_masks.few_masks import DATA, write_data
from benchmarks.few_masks.few_masks import RUNS as FEW_MASKS
from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from benchmarks.harness.rows import Rows
from benchmarks.harness.trained_encoders import with_encoders_of
from image_core.data.collate import collate
from image_core.data.table import open_dataset
from image_core.evaluation.scoring import evaluate_images, predict_with
from image_core.files import make_folder
from image_core.models.safari import Safari
from image_core.segmenter import ImageSegmenter
from image_core.training.config import TrainConfig
from image_core.training.recipe import train
from rvos.configuration import train_config

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/all_masks")
ASKED_PICTURES = 100

COMMON = (
    "data=refcoco", f"data.root={DATA}", "data.expressions_per_image=4", "data.augment=true", "data.images=null",
    "workers=0", "device=cpu", "seed=0", "eval_images=100", "save_every=50",
)  # fmt: skip

DENSE = (
    "experiment=synthetic_s2rm_tiny", "encoder=tiny_swin", "~encoder.options.channels", "~encoder.options.layers",
    "text.options.hidden_size=96", "text.options.num_hidden_layers=6", "text.options.num_attention_heads=4",
    "text.options.intermediate_size=192", "model.config.presence_head=false", "model.config.presence_weight=0",
    "steps=4000", "sizes=[[0.0,96],[0.4,128]]", "ema=0.998", "eval_every=1000",
)  # fmt: skip
"""S2RM over the encoders of experiment=synthetic_safari_tiny."""


@dataclass(frozen=True)
class Arm:
    """One training of SafaRi."""

    steps: int
    start: Literal["scratch", "dense encoders", "few_masks"]
    #: What it changes in the settings of the experiment.
    changes: tuple[str, ...] = ()


ARMS = {
    "2,500 more steps": Arm(2500, "few_masks"),
    "2,500 more steps, points read adrift": Arm(2500, "few_masks", ("model.config.read_drift=1.0",)),
    "500 steps from scratch": Arm(500, "scratch"),
    "500 steps, dense encoders": Arm(500, "dense encoders"),
    "500 steps, dense encoders, gates of the paper": Arm(
        500, "dense encoders",
        ("model.config.gate_start=-4", "optimiser.gate_factor=50", "model.config.position_in_tokens=false",
         "optimiser.encoder_factor=0.2"),
    ),
}  # fmt: skip
"""The last is kind to trained encoders: gates nearly shut that learn fast, nothing added to what the image's encoder
hears, and a fifth of the rate for both."""


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--only", nargs="+", choices=list(ARMS), default=list(ARMS), metavar="ARM")
    arguments = parser.parse_args()
    one_thread()
    write_data()
    with Rows(RUNS, "arms", {"common": COMMON, "dense": DENSE}) as file:
        done = {row["arm"]: row["figures"] for row in file.rows}
        for name in arguments.only:
            if name not in done:
                done[name] = figures_of(trained(name, BENCHMARK.command()))
                file.append([{"arm": name, "figures": done[name]}])
                print(name, done[name], flush=True)
    dense = figures_of_dense() if any(ARMS[name].start == "dense encoders" for name in done) else None
    arms = {name: {**asdict(arm), **done[name]} for name, arm in ARMS.items() if name in done}
    BENCHMARK.write(arguments.out, {"dense": dense, "arms": arms})


def settings_of(overrides: Sequence[str], out: Path, init: Path | None) -> TrainConfig:
    """One training."""
    return train_config([*overrides, *COMMON, f"out={out}", f"init={init or 'null'}"])


def trained(name: str, command: str) -> Path:
    """Train an arm to its end. Returns the model file."""
    arm = ARMS[name]
    out = RUNS / name.replace(" ", "_").replace(",", "")
    start = {
        "scratch": None,
        "few_masks": FEW_MASKS / "labels_100_s0" / "round_2" / "model.safetensors",
        "dense encoders": out.with_name(f"{out.name}_start.safetensors"),
    }[arm.start]
    own = ("experiment=synthetic_safari_tiny", f"steps={arm.steps}", "ema=0.99", f"eval_every={arm.steps}")
    settings = settings_of((*own, *arm.changes), out, start)
    if arm.start == "dense encoders" and start is not None and not start.exists():
        make_folder(RUNS)
        with_encoders_of(train(settings_of(DENSE, RUNS / "dense", None), command), settings, start)
    return train(settings, command)


def figures_of(path: Path) -> dict[str, Any]:
    """The figures of a SafaRi on the test images, and the errors of its contours on the first of them."""
    segmenter, test = ImageSegmenter.load(path, "cpu"), open_dataset("refcoco", DATA, "test")
    report = evaluate_images(predict_with(segmenter), test)
    model = cast(Safari, segmenter.model)
    figures: dict[str, list[float]] = {}
    with torch.inference_mode():
        for index in range(ASKED_PICTURES):
            batch = collate([test[index]], segmenter.preprocessing)
            for key, values in expression_figures(model, batch).items():
                figures.setdefault(key, []).extend(values)
    kept = {key: report[key] for key in ("expressions", "mIoU", "oIoU", "Pr@0.5", "Pr@0.7")}
    families = {key: row["mIoU"] for key, row in report["families"].items()}
    contours = {key: float(np.mean(values)) for key, values in figures.items()}
    return {**kept, "families": families, "contours": contours, "attention_inside": attention_inside(segmenter, test)}


def figures_of_dense() -> dict[str, Any]:
    """The figures of the dense model on the test images."""
    segmenter = ImageSegmenter.load(RUNS / "dense" / "model.safetensors", "cpu")
    report = evaluate_images(predict_with(segmenter), open_dataset("refcoco", DATA, "test"))
    return {key: report[key] for key in ("mIoU", "oIoU", "Pr@0.5", "Pr@0.7")}


if __name__ == "__main__":
    BENCHMARK.start(main)
