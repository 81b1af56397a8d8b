"""The time that the key/value cache of the coordinate decoder saves, compared with decoding the whole prefix each step.

python -m benchmarks.speed.sequence_decoder [--repeats 9] [--seed 0]

The decoder has SeqTR's published size (3 layers of width 256, 8 heads, 1000 bins, random weights) and a memory of 400
cells (640 px); 12 and 18 points, 1 and 8 expressions at once. `prefix` is what the published code does
(`seqtr_plain.py`): every step runs all tokens so far through the decoder, the keys and values of the memory included.
Both choose the same tokens, which is checked. Times are processor time of the one thread, the median of repeats that
take turns, in milliseconds for a whole sequence of 2 points + 1 tokens. Takes about a minute.

The result is sequence_decoder.json, beside this file.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from benchmarks.speed.seqtr_plain import from_the_prefix
from image_core.layers.sequence_decoder import CoordinateDecoder
from image_core.layers.transformer import Memory

BENCHMARK = Benchmark(__file__, __doc__)
CELLS, CHANNELS = 400, 256
CASES = ((12, 1), (18, 1), (12, 8), (18, 8))
"""(points, expressions at once)."""


def build(points: int, seed: int) -> CoordinateDecoder:
    """The published size with random weights of a large variance, so that the tokens differ from step to step."""
    torch.manual_seed(seed)
    decoder = CoordinateDecoder(
        channels=CHANNELS, heads=8, hidden=1024, layers=3, bins=1000, points=points, dropout=0.1
    )
    for parameter in decoder.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    return decoder.eval()


def milliseconds(run: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    run()
    return 1000 * (time.process_time() - start)


def measure(points: int, expressions: int, repeats: int, seed: int) -> dict[str, float | int]:
    """One row of the table."""
    decoder = build(points, seed)
    generator = torch.Generator().manual_seed(seed)
    tokens, position = (torch.randn(expressions, CELLS, CHANNELS, generator=generator) for _ in range(2))
    memory = Memory(tokens, position, torch.zeros(expressions, CELLS, dtype=torch.bool))
    if not torch.equal(decoder.generate(memory).tokens, from_the_prefix(decoder, memory).tokens):
        raise RuntimeError("the two ways chose different tokens")
    cached, prefix = [], []
    for _ in range(repeats):
        cached.append(milliseconds(lambda: decoder.generate(memory)))
        prefix.append(milliseconds(lambda: from_the_prefix(decoder, memory)))
    ratios = [p / c for p, c in zip(prefix, cached, strict=True)]
    return {
        "points": points,
        "expressions": expressions,
        "cached_ms": round(statistics.median(cached), 2),
        "prefix_ms": round(statistics.median(prefix), 2),
        "times": round(statistics.median(ratios), 2),
        "times_least": round(min(ratios), 2),
        "times_most": round(max(ratios), 2),
    }


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    one_thread()
    with torch.inference_mode():
        rows = [measure(points, expressions, arguments.repeats, arguments.seed) for points, expressions in CASES]
    for row in rows:
        print(row)
    BENCHMARK.write(arguments.out, {"rows": rows})


if __name__ == "__main__":
    BENCHMARK.start(main)
