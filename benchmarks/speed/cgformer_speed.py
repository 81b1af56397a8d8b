"""What CGFormer costs in its published size beside its layers computed one after the other, as they are published.

python -m benchmarks.speed.cgformer_speed [--repeats 3] [--seed 0]

Swin-B with windows of 12, BERT-base, two tokens of 512 channels, 480 px, one picture with one expression of 20 tokens;
random weights, whose cost is that of trained ones. `plain` is written here from the facts of the release, on the same
weights: attention in windows as two products with a softmax between, levels enlarged before they are convolved, maps
doubled before they are convolved, positions and projections of every cell, a 1x1 convolution at the size of the picture
and then the kernel of the meant token with a border. Both give the same mask, which is checked. Times are processor
time of the one thread, medians of repeats that take turns. Takes about four minutes and 3 GB.

The result is cgformer_speed.json, beside this file.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import cast
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from image_core.encoders import segmentation_windows
from image_core.layers import pixel_word
from image_core.layers.doubled_conv import DoubledConv
from image_core.layers.top_down import TopDownStep
from image_core.models.cgformer import CGFormer
from image_core.models.table import EncoderConfig, ModelConfig, build_model
from image_core.models.token_grouping import Grouping
from image_core.types import ImageFeatures, TextFeatures

BENCHMARK = Benchmark(__file__, __doc__)
SIDE_PX, WORDS = 480, 20
EXPRESSION = " ".join(["red"] * WORDS)


def build(seed: int) -> CGFormer:
    """The published size, with batch norms that have seen something and weights under which tokens divide the cells."""
    torch.manual_seed(seed)
    swin, bert = EncoderConfig("swin_base_patch4_window12_384"), EncoderConfig("bert-base-uncased")
    model = cast(CGFormer, build_model(ModelConfig("cgformer", swin, bert)).eval())
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
    torch.nn.init.normal_(model.tokens)
    return model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  (torch's stub lacks it)


def plain_attend(q: Tensor, k: Tensor, v: Tensor, pad_mask: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """`layers.blocks.attend`, two products and a softmax."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias
    if pad_mask is not None:
        scores = scores.masked_fill(pad_mask, -1e4)
    return scores.softmax(-1) @ v


def plain_linear(layer: nn.Module, x: Tensor) -> Tensor:
    """`layers.many_rows.linear_of_many`, as a linear layer."""
    return layer(x)


@contextmanager
def plain_encoder() -> Iterator[None]:
    """Within it, attention of the encoder is computed as it is published."""
    with ExitStack() as patches:
        for room in (segmentation_windows, pixel_word):
            patches.enter_context(patch.object(room, "attend", plain_attend))
            patches.enter_context(patch.object(room, "linear_of_many", plain_linear))
        yield


def plain_group(group: Grouping, tokens: Tensor, cells: Tensor) -> Tensor:
    """One group, every cell through every projection."""
    cells = group.norm_cells(cells)
    q, k, v = group.to_q(group.norm_tokens(tokens)), group.to_k(cells), group.to_v(cells)
    similar = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(1, 2)
    soft = (similar / group.log_temperature.clamp(max=0).exp()).softmax(1)
    hard = torch.zeros_like(soft).scatter_(1, soft.argmax(1, keepdim=True), 1.0)
    gathered = (hard / (hard.sum(-1, keepdim=True) + 1)) @ v
    return group.mlp(group.norm(group.out(gathered) + tokens))


def plain_decode(model: CGFormer, image: ImageFeatures, text: TextFeatures) -> Tensor:
    """The decoder of the release, layer after layer: logits (N, H, W)."""
    *finer, x = (level.contiguous() for level in image.levels)
    tokens = model.tokens.expand(len(x), -1, -1)
    for i, level in enumerate(reversed(finer)):
        x = torch.cat([F.interpolate(x, level.shape[2:], mode="bilinear", align_corners=True), level], 1)
        x = cast(TopDownStep, model.fuses[i]).blocks(x)
        if str(i) in model.loads:
            tokens = model.loads[str(i)](tokens, text.words, text.word_pad_mask)
        group = cast(Grouping, model.groups[min(i, 1)])
        tokens = plain_group(group, tokens, x.flatten(2).transpose(1, 2) + model.positions[i].table)
    head = model.head
    for part in (head.first, head.second):
        x = plain_doubled(part, x)
    x = F.conv2d(x, head.project.weight[..., None, None], head.project.bias)
    n, c, h, w = x.shape
    kernel = head.kernel(tokens[:, -1])
    mask = F.conv2d(x.reshape(1, n * c, h, w), kernel[:, :c].reshape(n, c, 1, 1), kernel[:, c], padding=1, groups=n)
    return F.interpolate(mask.reshape(n, 1, h + 2, w + 2), (h, w), mode="bilinear", align_corners=True)[:, 0]


def plain_doubled(part: DoubledConv, x: Tensor) -> Tensor:
    """Doubled, then convolved."""
    x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    return F.relu(part.norm(part.conv(x)))


def seconds(run: Callable[[], Tensor | ImageFeatures]) -> tuple[float, Tensor | ImageFeatures]:
    """Processor time of one call, and what it gave."""
    start = time.process_time()
    given = run()
    return time.process_time() - start, given


def measure(seed: int, repeats: int) -> dict[str, float | dict[str, float]]:
    """Times by part and in all, ratios, and how far the masks are apart."""
    model = build(seed)
    images = torch.randn(1, 3, SIDE_PX, SIDE_PX)
    taken: dict[str, list[float]] = {name: [] for name in ("encoder", "encoder_plain", "decoder", "decoder_plain")}
    apart, scale, flips = 0.0, 1.0, 0
    for _ in range(repeats):
        text = model.encode_text([EXPRESSION])
        spent, ours = seconds(lambda: model.encode_image(images, text))  # noqa: B023 - called at once
        taken["encoder"].append(spent)
        features = cast(ImageFeatures, ours)
        spent, ours = seconds(lambda: model.decode(features, text).mask_logits)  # noqa: B023
        taken["decoder"].append(spent)
        with plain_encoder():
            spent, plain = seconds(lambda: model.encode_image(images, text))  # noqa: B023
        taken["encoder_plain"].append(spent)
        features = cast(ImageFeatures, plain)
        spent, plain = seconds(lambda: plain_decode(model, features, text))  # noqa: B023
        taken["decoder_plain"].append(spent)
        ours, plain = cast(Tensor, ours), cast(Tensor, plain)
        apart, scale = float((ours - plain).abs().max()), float(plain.std())
        flips = int(((ours > 0) != (plain > 0)).sum())
    totals = {
        "ours": [a + b for a, b in zip(taken["encoder"], taken["decoder"], strict=True)],
        "plain": [a + b for a, b in zip(taken["encoder_plain"], taken["decoder_plain"], strict=True)],
    }
    ratios = [a / b for a, b in zip(totals["ours"], totals["plain"], strict=True)]
    return {
        "cpu_s": {name: round(statistics.median(each), 2) for name, each in (taken | totals).items()},
        "ours_over_plain": round(statistics.median(ratios), 3),
        "ours_over_plain_least": round(min(ratios), 3),
        "ours_over_plain_most": round(max(ratios), 3),
        "decoder_over_plain": round(
            statistics.median(a / b for a, b in zip(taken["decoder"], taken["decoder_plain"], strict=True)), 3
        ),
        "logits_apart": apart,
        "logits_std": round(scale, 4),
        "pixels_flipped": flips,
    }


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    one_thread()
    with torch.inference_mode():
        figures = measure(args.seed, args.repeats)
    if not math.isfinite(cast(float, figures["logits_apart"])):
        raise RuntimeError("the two masks cannot be compared")
    document = BENCHMARK.write(args.out, {"size_px": SIDE_PX, "repeats": args.repeats, **figures})
    print({key: document[key] for key in figures})


if __name__ == "__main__":
    BENCHMARK.start(main)
