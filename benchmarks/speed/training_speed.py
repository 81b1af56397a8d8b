"""Images of a training step per processor second, and the gain of each speed-up.

python -m benchmarks.speed.training_speed [--repeats N]

One step (forward, losses, backward) of the synthetic S2RM experiment on 4 images of 128 px with 4 expressions each,
one thread, the best of several repeats, in processor seconds: other processes hardly matter. The losses of equal models
agree up to the precision. Which precision is faster depends on the processor: `precision: auto` chooses by it. Half a
minute.

The result is training_speed.json, beside this file.
"""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from image_core.data.collate import collate
from image_core.device import autocast, resolve_precision
from image_core.device_names import Precision
from image_core.models.base import EncoderModel
from image_core.models.table import build_model
from image_core.synthetic.dataset import SyntheticImages
from image_core.types import ImageBatch
from rvos.configuration import train_config

BENCHMARK = Benchmark(__file__, __doc__)
CPU = torch.device("cpu")
IMAGES = 4
SIZE_PX = 128
LATTICE = ("model.config.max_steps=[4,8,4]",)

Way = tuple[tuple[str, ...], Precision, bool]
"""(overrides of the experiment, precision, channels last)."""

WAYS: dict[str, Way] = {
    "lattice of shifts": (LATTICE, "fp32", False),
    "lattice of shifts, channels last": (LATTICE, "fp32", True),
    "every row at strides 16 and 32, channels last": ((), "fp32", True),
    "lattice of shifts, bf16": (LATTICE, "bf16", False),
    "lattice of shifts, bf16, channels last": (LATTICE, "bf16", True),
    "every row at strides 16 and 32, bf16, channels last": ((), "bf16", True),
}


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--repeats", type=int, default=6)
    arguments = parser.parse_args()
    one_thread()
    ways = {name: measured(way, arguments.repeats) for name, way in WAYS.items()}
    data = SyntheticImages("train", 0, (SIZE_PX, SIZE_PX))
    start = time.process_time()
    for index in range(100):
        data[index]
    figures = {
        "precision_auto_is": resolve_precision("auto", CPU),
        "ways": ways,
        "pictures_drawn_a_processor_s": round(100 / (time.process_time() - start), 1),
    }
    BENCHMARK.write(arguments.out, figures)
    for name, row in ways.items():
        print(f"{name}: {row}")


def measured(way: Way, repeats: int) -> dict[str, float]:
    """Images per processor second, and the loss of the first step."""
    overrides, precision, channels_last = way
    settings = train_config(["experiment=synthetic_s2rm_tiny", *overrides])
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = build_model(settings.model).train().to(memory_format=layout)  # pyright: ignore[reportCallIssue]
    data = SyntheticImages("train", 0, (SIZE_PX, SIZE_PX))
    batch = collate([data[i] for i in range(IMAGES)], replace(settings.preprocessing, size_px=SIZE_PX))
    batch = replace(batch, images=batch.images.contiguous(memory_format=layout))
    steps = [_step(model, batch, precision) for _ in range(repeats)]
    return {
        "pictures_a_processor_s": round(IMAGES / min(seconds for seconds, _ in steps), 2),
        "loss": round(steps[0][1], 4),
    }


def _step(model: EncoderModel, batch: ImageBatch, precision: Precision) -> tuple[float, float]:
    """(processor seconds, loss) of a step; the gradients are discarded."""
    start = time.process_time()
    with autocast(CPU, precision):
        terms = model.losses(model(batch), batch)
    loss = torch.stack(list(terms.values())).sum()
    loss.backward()
    seconds = time.process_time() - start
    model.zero_grad()
    return seconds, loss.item()


if __name__ == "__main__":
    BENCHMARK.start(main)
