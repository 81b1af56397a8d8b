"""How many synthetic samples one core makes a second, and how fast sentences come without pictures.

    OMP_NUM_THREADS=1 python benchmarks/synthetic_speed.py [--count 500] [--seed 0]

Writes benchmarks/synthetic_speed.json. `images_per_s` counts the processor time of the one thread, which other
processes on the machine cannot take from it; `images_per_s_wall` is by the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
from machine import describe_machine

from image_core.synthetic.dataset import SyntheticImages
from image_core.synthetic.language import expression_texts

SIZES = (128, 192, 256)
EXPRESSIONS = 4


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(processor seconds, seconds by the clock) that `work` takes."""
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
    found = Counter(e.family for i in range(count) for e in data.describe(i)[1])
    return {family: round(n / found.total(), 4) for family, n in sorted(found.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    sentence_count = 8 * options.count
    _, sentence_s = timed(lambda: list(expression_texts("train", options.seed, sentence_count)))
    report = {
        "command": f"python benchmarks/synthetic_speed.py --count {options.count} --seed {options.seed}",
        "machine": describe_machine() | {"load_average": os.getloadavg()},
        "threads": 1,
        "seed": options.seed,
        "samples": [measure(px, options.count, options.seed) for px in SIZES],
        "sentences_per_s_wall": round(sentence_count / sentence_s, 1),
        "family_shares": families(2 * options.count, options.seed),
    }
    out = Path(__file__).with_suffix(".json")
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
