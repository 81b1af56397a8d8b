"""The cost of cores at full published size, in our form and in the form of the published code.

python -m benchmarks.speed.core_cost [--rounds 5] [MODEL...]

Swin-B with windows of 12 and BERT-base, for HARIS SAM's ViT-B and CLIP's ViT-L/14, with random weights, which cost what
trained ones do; one image of 480 x 480, one expression of 20 word pieces. SeqTR has DarkNet-53 and a GRU, 640 x 640,
15 words and contours of 12 points, 25 steps of its decoder: its published figures are those of this size, and ours has
a small vocabulary in place of its word vectors. Its weights in the decoder are drawn wide apart, so that a contour
encloses something and the two forms' masks can differ. Partial-RES has the same network but for parts of the decoder. A
process for each model, one thread, processor seconds: both forms in turn, the least of the rounds and the median of the
rounds' ratios. The published form is a stand-in that is written here from descriptions: attention written out, linear
layers by torch's matrix product, taps of the decoder on the enlarged map, deformable attention by `grid_sample`, for
CGFormer and SeqTR what `cgformer_plain.py` and `seqtr_plain.py` say. HARIS has no published code, and its publication
names neither SAM's size nor the image's: its row is our form alone. `differs` is the largest difference of the two
forms' mask logits beside their largest value. Memory is the peak of a process that runs our form alone, and what of it
the loaded weights are. Operations are those of a full forward pass, two a multiply-add. Takes minutes.

The result is core_cost.json, beside this file.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness.command import Benchmark
from benchmarks.harness.operations import operations
from benchmarks.harness.processes import in_processes
from benchmarks.speed import cgformer_plain, seqtr_plain
from image_core.encoders import segmentation_windows
from image_core.layers import deformable_attention, pixel_word, transformer
from image_core.layers.deformable_attention import Cells, DeformableAttention
from image_core.layers.sequence_decoder import CoordinateDecoder
from image_core.layers.top_down import TopDownStep, upsample
from image_core.models.base import Trainable
from image_core.models.contour import ContourModel
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.table import build_model

BENCHMARK = Benchmark(__file__, __doc__)


@dataclass(frozen=True)
class Size:
    """A published configuration."""

    vision: str = "swin_base_patch4_window12_384"
    text: str = "bert-base-uncased"
    side_px: int = 480
    words: int = 20
    config: dict[str, Any] = field(default_factory=dict)


PLAIN_SIZE = Size()
SIZES = {
    "haris": Size("facebook/sam-vit-base", "openai/clip-vit-large-patch14"),
    "seqtr": Size("darknet53", "gru", 640, 15, {"points": 12}),
}
"""Models whose size differs from `PLAIN_SIZE`."""

PUBLISHED: dict[str, dict[str, float]] = {
    # Of the published configuration: weights in millions, operations in 10^9, processor seconds of one core of another
    # machine, and which share of the published form's time is aimed at, where an aim was set.
    "cgformer": {"parameters_m": 253.7, "gflop": 1897.9, "cpu_s": 13.05, "aim": 0.35},
    "haris": {},  # no published cost; shown for comparison
    "lavt": {"parameters_m": 227.7, "gflop": 398.0, "cpu_s": 3.61, "aim": 0.7},
    "rela": {"parameters_m": 225.5, "gflop": 262.6, "cpu_s": 4.43, "aim": 0.6},
    "seqtr": {"parameters_m": 107.3, "gflop": 174.5, "cpu_s": 1.4},
}


def written_out(q: Tensor, k: Tensor, v: Tensor, pad_mask: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Attention with materialised weights, a replacement of `layers.blocks.attend`."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias
    if pad_mask is not None:
        scores = scores.masked_fill(pad_mask, float("-inf"))
    return scores.softmax(-1) @ v


def by_rows(layer: nn.Module, x: Tensor) -> Tensor:
    """A linear layer as torch computes it."""
    return layer(x)


def as_it_reads(step: TopDownStep, deep: Tensor, fine: Tensor) -> Tensor:
    """Upsample, concatenate, convolve."""
    return step.blocks(torch.cat([upsample(deep, fine.shape[2], fine.shape[3]), fine], dim=1))


def sampled(layer: DeformableAttention, query: Tensor, x: Tensor, cells: Cells) -> Tensor:
    """Deformable attention, one map at a time, by `grid_sample`."""
    n, count, channels = query.shape
    heads, levels, points = layer.heads, layer.levels, layer.points
    width = channels // heads
    offsets = layer.offsets(query).view(n, count, heads, levels, points, 2)
    share = layer.weights(query).view(n, count, heads, -1).softmax(-1)
    sizes = torch.tensor([[w, h] for h, w in cells.sizes], dtype=offsets.dtype, device=offsets.device)
    places = 2 * (cells.centres[:, None, None, None] + offsets / sizes[:, None]) - 1
    parts = layer.values(x).view(n, count, heads, width).split([h * w for h, w in cells.sizes], dim=1)
    read = []
    for level, (part, (h, w)) in enumerate(zip(parts, cells.sizes, strict=True)):
        plane = part.permute(0, 2, 3, 1).reshape(n * heads, width, h, w)
        grid = places[:, :, :, level].transpose(1, 2).flatten(0, 1)
        read.append(F.grid_sample(plane, grid, mode="bilinear", padding_mode="zeros", align_corners=False))
    weights = share.transpose(1, 2).reshape(n * heads, 1, count, levels * points)
    out = (torch.cat(read, -1) * weights).sum(-1)
    return layer.out(out.view(n, channels, count).transpose(1, 2))


@contextmanager
def published_form(model: str) -> Iterator[None]:
    """Inside the block, the model computes in the form of the published code."""
    own = {"cgformer": cgformer_plain.PLAIN, "seqtr": seqtr_plain.PLAIN}
    with ExitStack() as stack:
        for owner, name, plain in own.get(model, ()):
            stack.enter_context(patch.object(owner, name, plain))
        for module in (segmentation_windows, pixel_word):
            stack.enter_context(patch.object(module, "attend", written_out))
        for module in (segmentation_windows, pixel_word, transformer, deformable_attention):
            stack.enter_context(patch.object(module, "linear_many_rows", by_rows))
        stack.enter_context(patch.object(TopDownStep, "forward", as_it_reads))
        stack.enter_context(patch.object(DeformableAttention, "forward", sampled))
        yield


def build(name: str) -> Trainable:
    """The published size with random weights."""
    torch.manual_seed(0)
    size = size_of(name)
    vision, text = EncoderConfig(size.vision), EncoderConfig(size.text)
    model = build_model(ModelConfig(name, vision, text, size.config, max_words=size.words))
    if isinstance(model, ContourModel):
        far_apart(model.decoder)
    return model.eval().requires_grad_(False)


def far_apart(decoder: CoordinateDecoder) -> None:
    """Draw weights of a large variance, so that tokens differ from step to step."""
    for parameter in decoder.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.1)


def size_of(name: str) -> Size:
    """The published configuration of a model."""
    return SIZES.get(name, PLAIN_SIZE)


def steps_of(model: Trainable, size: Size) -> dict[str, Callable[[], Any]]:
    """The three steps of one answer on a random image; each stores the input of the next."""
    kept: dict[str, Any] = {}
    images = torch.randn(1, 3, size.side_px, size.side_px)
    expression = [" ".join(["red"] * size.words)]  # cut to as many word pieces as the model takes

    def text() -> Any:
        kept["text"] = model.encode_text(expression)

    def encoder() -> Any:
        kept["image"] = model.encode_image(images, kept["text"])

    def decoder() -> Any:
        return model.decode(kept["image"], kept["text"])

    return {"text": text, "encoder": encoder, "decoder": decoder}


def timed(steps: dict[str, Callable[[], Any]]) -> tuple[dict[str, float], Tensor]:
    """Processor seconds of each step, and the mask logits."""
    times: dict[str, float] = {}
    last = None
    for name, step in steps.items():
        began = time.process_time()
        last = step()
        times[name] = time.process_time() - began
    assert last is not None
    return times | {"all": sum(times.values())}, last.mask_logits


def memory_of(name: str) -> dict[str, Any]:
    """Peak memory of this process in MB after three answers in our form, and before the first."""
    steps = steps_of(build(name), size_of(name))
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with torch.inference_mode():
        for _ in range(3):
            timed(steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak_mb": round(peak), "loaded_mb": round(loaded)}


def cost_of(job: tuple[str, int]) -> dict[str, Any]:
    """Weights, operations and times of one model."""
    name, rounds = job
    model, size = build(name), size_of(name)
    steps = steps_of(model, size)
    with torch.device("meta"):
        shape = build(name)
    row: dict[str, Any] = {
        "side_px": size.side_px,
        "words": size.words,
        "parameters_m": round(sum(p.numel() for p in model.parameters()) / 1e6, 1),
        "gflop": round(operations(shape, size.side_px, 1, size.words), 1),
    }
    if not PUBLISHED[name]:
        with torch.inference_mode():
            timed(steps)
            return row | {"cpu_s": least([timed(steps)[0] for _ in range(rounds)])}
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    with torch.inference_mode():
        _, mine = timed(steps)
        with published_form(name):
            _, published = timed(steps)
        for _ in range(rounds):
            ours.append(timed(steps)[0])
            with published_form(name):
                theirs.append(timed(steps)[0])
    with published_form(name):
        published_gflop = operations(shape, size.side_px, 1, size.words)
    return row | {
        "gflop_published_form": round(published_gflop, 1),
        "cpu_s": least(ours),
        "cpu_s_published_form": least(theirs),
        "ratio": round(statistics.median(a["all"] / b["all"] for a, b in zip(ours, theirs, strict=True)), 3),
        "differs": [round(float(x), 7) for x in ((mine - published).abs().max(), published.abs().max())],
        "published": PUBLISHED[name],
    }


def least(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The least time of each step."""
    return {name: round(min(row[name] for row in rounds), 3) for name in rounds[0]}


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(PUBLISHED)}; all, if none is given")
    given = parser.parse_args()
    rows: dict[str, Any] = {}
    for name in given.models or PUBLISHED:
        (row,) = in_processes(cost_of, [(name, given.rounds)], 1)
        (memory,) = in_processes(memory_of, [name], 1)
        rows[name] = row | memory
        print(f"\n{name}: {rows[name]}")
    BENCHMARK.write(given.out, {"seed": given.seed, "models": rows})


if __name__ == "__main__":
    BENCHMARK.start(main)
