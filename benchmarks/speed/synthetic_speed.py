"""Synthetic samples per second on one core, and expressions per second without images.

python -m benchmarks.speed.synthetic_speed [--count 500] [--seed 0]

`images_per_s` uses the processor time of the one thread, which other processes on the machine do not affect;
`images_per_s_wall` uses wall time. Takes about a minute.

The result is synthetic_speed.json, beside this file.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable

from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import one_thread
from image_core.synthetic.dataset import SyntheticImages
from image_core.synthetic.language import expression_texts

BENCHMARK = Benchmark(__file__, __doc__)
SIZES = (128, 192, 256)
EXPRESSIONS = 4


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(processor seconds, wall seconds) of `work`."""
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - processor, time.perf_counter() - wall


def measure(px: int, count: int, seed: int) -> dict[str, float | int]:
    """Speed of samples of `px` x `px` with four expressions each, drawn from train."""
    data = SyntheticImages("train", seed, (px, px), EXPRESSIONS)
    data[count]  # loads the grain tile
    processor_s, wall_s = timed(lambda: [data[i] for i in range(count)])
    return {
        "size_px": px,
        "expressions_per_image": EXPRESSIONS,
        "images": count,
        "images_per_s": round(count / processor_s, 1),
        "images_per_s_wall": round(count / wall_s, 1),
    }


def families(count: int, seed: int) -> dict[str, float]:
    """Share of each family among the expressions of `count` scenes."""
    data = SyntheticImages("train", seed, (192, 192), EXPRESSIONS)
    counts = Counter(e.family for i in range(count) for e in data.describe(i)[1])
    return {family: round(n / counts.total(), 4) for family, n in sorted(counts.items())}


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--count", type=int, default=500)
    arguments = parser.parse_args()
    one_thread()
    expression_count = 8 * arguments.count
    _, expressions_s = timed(lambda: list(expression_texts("train", arguments.seed, expression_count)))
    measured = {
        "threads": 1,
        "seed": arguments.seed,
        "samples": [measure(px, arguments.count, arguments.seed) for px in SIZES],
        "sentences_per_s_wall": round(expression_count / expressions_s, 1),
        "family_shares": families(2 * arguments.count, arguments.seed),
    }
    print(json.dumps(BENCHMARK.write(arguments.out, measured), indent=1))


if __name__ == "__main__":
    BENCHMARK.start(main)
