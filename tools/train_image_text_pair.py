"""Trains the small image-text pair on synthetic images and expressions, without boxes and masks. An interrupted
training is continued.

python tools/train_image_text_pair.py --out DIR [--steps N] [--seed S]

Writes DIR/pair.safetensors. On one core a step takes about a second.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import torch

from image_core.errors import RvosError
from image_core.weak.scorers.pair_training import PairTrainingConfig, train_pair


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=PairTrainingConfig.steps)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    try:
        print(train_pair(PairTrainingConfig(steps=arguments.steps, seed=arguments.seed), arguments.out))
    except RvosError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
