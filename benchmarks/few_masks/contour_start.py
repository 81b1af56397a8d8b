"""The errors of SafaRi's contours: at their first point, or after it. Arms of equal steps, with one part changed each.

python -m benchmarks.few_masks.contour_start [--steps N] [--only ARM ...] [--seed N]

Trains the tiny SafaRi from scratch on synthetic images of few, large objects, all masks given, 128 px, one thread, and
evaluates on validation images: mIoU; how often the first point is within 16 px of the true one; mIoU with the true
first point given, and with all true points given (teacher forcing); mIoU of the head on the cells, and of the true
tokens. Finished arms are kept in runs/contour_start; the same command continues. An arm of 350 steps takes six minutes
on a whole core.

The result is contour_start.json, beside this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch

from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from benchmarks.harness.rows import Rows
from image_core.data.collate import collate
from image_core.geometry.contours import rasterise
from image_core.geometry.masks import overlap
from image_core.geometry.planes import resize_logits
from image_core.layers.sequence_decoder import CoordinateDecoder
from image_core.layers.transformer import Memory
from image_core.models.contour import contours_of, padded_px
from image_core.models.safari import Safari
from image_core.models.table import build_model
from image_core.synthetic.dataset import SyntheticImages
from image_core.synthetic.recipes import SINGLE_FAMILIES
from image_core.synthetic.sampling import FEW_LARGE
from image_core.training.config import TrainConfig
from image_core.training.engine import Engine
from image_core.types import ImageBatch
from rvos.configuration import train_config

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/contour_start")
SIZE_PX = 128
PICTURES = 120
NEAR_PX = 16

ALONE = ("cell_weight=0", "start_from_cells=false")
ARMS: dict[str, tuple[str, ...]] = {
    "AMCR alone": (*ALONE, "amcr_weight=1"),
    "cell head, AMCR": ("cell_weight=1", "start_from_cells=false", "amcr_weight=1"),
    "cell head, first input, AMCR": ("cell_weight=1", "start_from_cells=true", "amcr_weight=1"),
    "cell head, first input": ("cell_weight=1", "start_from_cells=true", "amcr_weight=0"),
    "cell head, first input, AMCR on the first token": (
        "cell_weight=1", "start_from_cells=true", "amcr_weight=0.1", "amcr_words=first",
    ),
    "cell head, first input, no gates": ("cell_weight=1", "start_from_cells=true", "amcr_weight=0", "gate=none"),
}  # fmt: skip
"""Arm -> its overrides of experiment=synthetic_safari_tiny."""


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--steps", type=int, default=350)
    parser.add_argument("--only", nargs="+", choices=list(ARMS), default=list(ARMS), metavar="ARM")
    arguments = parser.parse_args()
    one_thread()
    kept = {"steps": arguments.steps, "seed": arguments.seed, "size_px": SIZE_PX}
    with Rows(RUNS, "arms", kept) as file:
        done = {row["arm"]: row["figures"] for row in file.rows}
        for name in arguments.only:
            if name not in done:
                done[name] = figures_of(trained(name, arguments.steps, arguments.seed, file.path.parent))
                file.append([{"arm": name, "figures": done[name]}])
                print(name, done[name], flush=True)
    arms = {name: done[name] for name in ARMS if name in done}
    BENCHMARK.write(arguments.out, kept | {"validation_pictures": PICTURES, "arms": arms})


def trained(name: str, steps: int, seed: int, folder: Path) -> tuple[Safari, TrainConfig]:
    """A trained arm, with averaged weights."""
    settings = train_config(
        [
            "experiment=synthetic_safari_tiny", *(f"model.config.{change}" for change in ARMS[name]),
            f"out={folder / name.replace(' ', '_').replace(',', '')}", f"steps={steps}", f"seed={seed}", "sizes=[]",
            f"preprocessing.size_px={SIZE_PX}", "ema=0.98", "eval_every=1000000", "save_every=50", "device=cpu",
        ]
    )  # fmt: skip
    torch.manual_seed(seed)
    engine = Engine(build_model(settings.model), images("train", seed), settings)
    engine.run(lambda weights, step: {})
    model = cast(Safari, engine.plain_model).eval()
    model.load_state_dict(engine.average.state)
    return model, settings


def images(split: str, seed: int = 0) -> SyntheticImages:
    """Images of few, large objects, each expression with one target."""
    return SyntheticImages(split, seed, (SIZE_PX, SIZE_PX), families=SINGLE_FAMILIES, style=FEW_LARGE)


@torch.inference_mode()
def figures_of(arm: tuple[Safari, TrainConfig]) -> dict[str, float | None]:
    """The figures of the model of an arm on validation images."""
    model, settings = arm
    data = images("val")
    figures: dict[str, list[float]] = {}
    for index in range(PICTURES):
        for key, values in expression_figures(model, collate([data[index]], settings.preprocessing)).items():
            figures.setdefault(key, []).extend(values)
    return {key: round(float(np.mean(values)), 4) if values else None for key, values in figures.items()}


def expression_figures(model: Safari, batch: ImageBatch) -> dict[str, list[float]]:
    """The figures of each expression of an image."""
    text = model.encode_text(batch.expressions)
    features = model.encode_pairs(batch.images, text, batch.frame_index, valid_px=batch.valid_px)
    memory, truth = model.build_memory(features, text), model.targets(batch)
    frame_px, masks = padded_px(features.valid_px, model.size_multiple), batch.masks.numpy() > 0.5
    free, forced = generated(model.decoder, memory, truth[:, :0]), generated(model.decoder, memory, truth[:, :2])
    next_ones = model.decoder(memory, truth).argmax(-1)
    px = SIZE_PX / model.config.bins
    away = ((free[:, :2] - truth[:, :2]).float() * px).norm(dim=1)
    cells: list[float] = []
    if memory.cell_logits is not None:
        cells = ious(resize_logits(memory.cell_logits, (masks.shape[1], masks.shape[2])).numpy() > 0, masks)
    return {
        "mIoU": ious(filled(model, free, frame_px, masks.shape[1:]), masks),
        "first_point_near": (away <= NEAR_PX).float().tolist(),
        "mIoU_true_start": ious(filled(model, forced, frame_px, masks.shape[1:]), masks),
        "mIoU_true_points": ious(filled(model, next_ones, frame_px, masks.shape[1:]), masks),
        "mIoU_cells": cells,
        "mIoU_truth": ious(filled(model, truth, frame_px, masks.shape[1:]), masks),
    }


def generated(decoder: CoordinateDecoder, memory: Memory, start: torch.Tensor) -> torch.Tensor:
    """(N, steps) long: tokens decoded greedily after those of `start` (N, T)."""
    cache, token, tokens = decoder.begin(memory), None, []
    for step in range(decoder.steps):
        logits, cache = decoder.step(token, cache)
        token = start[:, step] if step < start.shape[1] else logits.argmax(-1)
        tokens.append(token)
    return torch.stack(tokens, 1)


def filled(model: Safari, tokens: torch.Tensor, frame_px: torch.Tensor, size: tuple[int, ...]) -> np.ndarray:
    """(N, H, W) bool: the masks inside the contours."""
    config = model.config
    outlines = contours_of(tokens, frame_px, bins=config.bins, offset=config.bin_offset)
    height, width = size
    return np.stack([rasterise([o] if len(o) else [], (height, width)) for o in outlines])


def ious(predicted: np.ndarray, masks: np.ndarray) -> list[float]:
    """IoU of each pair of masks (N, H, W)."""
    counts = [overlap(a, b) for a, b in zip(predicted, masks, strict=True)]
    return [intersection / max(1, union) for intersection, union in counts]


if __name__ == "__main__":
    BENCHMARK.start(main)
