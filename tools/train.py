"""Training on machines without a video reader: `torchrun --nproc-per-node 2 tools/train.py KEY=VALUE ...`.

The same as `rvos train`, for launchers that want a script.
"""

from __future__ import annotations

import logging
import sys

from image_core.errors import RvosError
from image_core.training.recipe import train
from rvos.configuration import train_config


def main(overrides: list[str]) -> int:
    """The exit code: 0, or 2 for an error in the input."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    try:
        path = train(train_config(overrides), command="tools/train.py " + " ".join(overrides))
    except RvosError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
