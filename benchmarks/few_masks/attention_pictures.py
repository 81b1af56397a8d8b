"""Attention maps of SafaRi's fused layers, with and without AMCR: test images of few_masks.py, one row per expression.

python -m benchmarks.few_masks.attention_pictures [--with FILE] [--without FILE] [--rows 8]

Columns: the image with the true outline, the attention of the model trained with AMCR, that of the one without. Over
each map stands the share of its attention inside the true mask. Both are round 0 of few_masks.py, with a tenth of the
masks. The rows are the first expression of every 50th test image, chosen before anybody saw them. Takes
about a minute once few_masks.py has trained the two.

The result is attention_pictures.jpg and, with the mean share and the mIoU over all test expressions,
attention_pictures.json, beside this file.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.few_masks.attention import attention_inside, attention_of
from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from image_core.data.table import open_dataset
from image_core.evaluation.scoring import evaluate_images, predict_with
from image_core.models.attention_consistency import attention_share
from image_core.sample import ImageSample
from image_core.segmenter import ImageSegmenter

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/few_masks")
EVERY = 50


def heat_of(segmenter: ImageSegmenter, sample: ImageSample) -> tuple[np.ndarray, float]:
    """The attention map for the first expression, (H, W) divided by its maximum, and its share inside the true mask."""
    maps = attention_of(segmenter, sample)[:1]
    share = attention_share(maps, torch.from_numpy(sample.masks[:1]).float()).item()
    height, width = sample.image.shape[:2]
    large = cv2.resize(maps[0].numpy(), (width, height), interpolation=cv2.INTER_CUBIC).clip(min=0)
    return large / large.max(), share


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--with", dest="taught", type=Path, default=RUNS / "labels_10_s0/round_0/model.safetensors")
    parser.add_argument("--without", type=Path, default=RUNS / "full_10_s0_consistency/round_0/model.safetensors")
    parser.add_argument("--rows", type=int, default=8)
    arguments = parser.parse_args()
    one_thread()
    models = {
        "with AMCR": ImageSegmenter.load(arguments.taught, "cpu"),
        "without": ImageSegmenter.load(arguments.without, "cpu"),
    }
    samples = open_dataset("refcoco", RUNS / "data", "test")
    size = (2.4 * (1 + len(models)), 2.5 * arguments.rows)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(arguments.rows, 1 + len(models), squeeze=False)
    for row, axes in enumerate(grid):
        sample = samples[EVERY * row]
        axes[0].set_title(textwrap.fill(sample.expressions[0], 30), fontsize=9)
        for of, (name, segmenter) in zip(axes[1:], models.items(), strict=True):
            heat, share = heat_of(segmenter, sample)
            of.set_title(f"{name}: {100 * share:.0f} % inside", fontsize=9)
            of.imshow(sample.image.mean(2), cmap="gray", alpha=0.6)
            of.imshow(heat, cmap="inferno", alpha=0.6, vmin=0, vmax=1)
        for of in axes:
            of.set_axis_off()
            of.contour(sample.masks[0], levels=[0.5], colors="cyan", linewidths=1)
        axes[0].imshow(sample.image)
    figures = {
        name: {
            "attention_inside": attention_inside(segmenter, samples),
            "mIoU": evaluate_images(predict_with(segmenter), samples)["mIoU"],
        }
        for name, segmenter in models.items()
    }
    BENCHMARK.write(arguments.out, {"models": figures})
    figure.savefig(arguments.out.with_suffix(".jpg"), dpi=75)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
