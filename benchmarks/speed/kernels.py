"""Alternative kernels for the same computation on this processor: those in use, and others.

python -m benchmarks.speed.kernels [--experiment s2rm_refcoco_video] [--repeats 3]

One thread, processor milliseconds, medians; the variants of a table take turns. First the encoder of an experiment of
Swin windows, random weights: torch's own attention and linear layers, then each as it is used with AVX-512 (fused, and
by oneDNN), then both; here they are tried on any processor. Then five decodes of the embedded model on one image:
apart, as a processor does them; in one batch; in one batch with batch norms folded into convolutions; and apart with
torch's default order in memory. "differs" is the largest difference of the output, relative to the largest value. Takes
a minute.

The result is kernels.json, beside this file.
"""

from __future__ import annotations

import copy
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.harness.clips import demo_frames
from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from benchmarks.harness.systems import random_segmenter
from benchmarks.speed.many_expressions import EXPRESSIONS
from image_core.layers import processor
from image_core.layers.many_rows import LinearManyRows
from image_core.models.base import FeatureModel
from image_core.segmenter import ImageSegmenter

BENCHMARK = Benchmark(__file__, __doc__)
SIZE = (480, 854)
COUNT = 5


def table(ways: Mapping[str, Callable[[], Tensor]], repeats: int) -> dict[str, dict[str, float]]:
    """For each variant its milliseconds, their ratio to the first variant, and the difference of its output."""
    spent, made = defaultdict[str, list[float]](list), dict[str, Tensor]()
    for _ in range(1 + repeats):
        for name, compute in ways.items():
            start = time.process_time()
            made[name] = compute()
            spent[name].append(1000 * (time.process_time() - start))
    first = next(iter(made))
    medians = {name: statistics.median(times[1:]) for name, times in spent.items()}
    return {
        name: {
            "ms": round(median, 1),
            "to_first": round(median / medians[first], 3),
            "differs": float((made[name] - made[first]).abs().max()),
            "largest": float(made[first].abs().max()),
        }
        for name, median in medians.items()
    }


def encoder_ways(segmenter: ImageSegmenter) -> dict[str, Callable[[], Tensor]]:
    """Variants that compute the deepest level of an image."""
    pixels, _ = segmenter.preprocessing.prepare(demo_frames(1, SIZE)[0].image)
    modules: list[Any] = list(segmenter.model.modules())
    linear: list[Any] = [module for module in modules if type(module) is LinearManyRows]
    attention = [module for module in modules if hasattr(module, "fused_attn")]

    def way(by_onednn: bool, fused: bool) -> Callable[[], Tensor]:
        def compute() -> Tensor:
            for module in linear:
                module.__class__ = LinearManyRows if by_onednn else nn.Linear
            for module in attention:
                module.fused_attn = fused
            with patch.object(processor, "CAPABILITY", "AVX512"):
                return segmenter.model.encode_image(pixels[None]).levels[-1]

        return compute

    return {
        "torch's own": way(by_onednn=False, fused=False),
        "linear layers by oneDNN": way(by_onednn=True, fused=False),
        "fused attention": way(by_onednn=False, fused=True),
        "both, as in use with AVX-512": way(by_onednn=True, fused=True),
    }


def decoder_ways(segmenter: ImageSegmenter) -> dict[str, Callable[[], Tensor]]:
    """Variants that compute the maps of five expressions on one image."""
    model = segmenter.model
    pixels, _ = segmenter.preprocessing.prepare(demo_frames(1, SIZE)[0].image)
    text, image = model.encode_text(EXPRESSIONS[:COUNT]), model.precompute(model.encode_image(pixels[None]))
    plain_order = copy.deepcopy(model).to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]

    def apart(model: FeatureModel) -> Tensor:
        rows = torch.arange(COUNT).split(1)
        return torch.cat([model.decode(image, text.select(row)).mask_logits for row in rows])

    def together(model: FeatureModel) -> Tensor:
        return model.decode(image.select(torch.zeros(COUNT, dtype=torch.long)), text).mask_logits

    folded = with_norms_folded(model)
    return {
        "apart, as in use": lambda: apart(model),
        "in one batch": lambda: together(model),
        "in one batch, norms folded": lambda: together(folded),
        "apart, channels first": lambda: apart(plain_order),
    }


def with_norms_folded(model: FeatureModel) -> FeatureModel:
    """A copy with the batch norms folded into the convolutions before them."""
    model = copy.deepcopy(model)
    for block in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for place in range(len(block) - 1):
            one, norm = block[place], block[place + 1]
            if isinstance(one, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                block[place], block[place + 1] = fuse_conv_bn_eval(one, norm), nn.Identity()
    return model


@torch.inference_mode()
def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--experiment", default="s2rm_refcoco_video")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    one_thread()
    figures = {
        "seed": arguments.seed,
        "experiment": arguments.experiment,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "encoder": table(encoder_ways(random_segmenter(arguments.experiment, arguments.seed)), arguments.repeats),
        "five_decodes": table(decoder_ways(ImageSegmenter.load("s2rm_tiny", "cpu")), 4 * arguments.repeats),
    }
    print(json.dumps(BENCHMARK.write(arguments.out, figures), indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
