"""The splits: which scene seeds belong to which, and what only the compositional test may show."""

from __future__ import annotations

import hashlib

from image_core.errors import UnknownNameError
from image_core.synthetic.colours import COLOURS
from image_core.synthetic.shapes import SHAPES

COMPOSITIONAL = "test_compositional"
_RANGE = 1 << 60
_RANGE_STARTS = {"train": 0, "val": _RANGE, "test": 2 * _RANGE, COMPOSITIONAL: 3 * _RANGE}
DEFAULT_LENGTHS = {"train": 10**9, "val": 1000, "test": 1000, COMPOSITIONAL: 1000}
SPLITS = tuple(_RANGE_STARTS)

HELD_OUT_PAIRS = frozenset(
    (shape, colour)
    for i, shape in enumerate(SHAPES)
    for j, colour in enumerate(COLOURS)
    if (3 * i + j) % len(COLOURS) == 4
)
"""One colour for every shape, so that no shape and no colour is rarer than another in training: 16 of 176 pairs."""


def check_split(split: str) -> None:
    """Raise `UnknownNameError` unless `split` is one of `SPLITS`."""
    if split not in _RANGE_STARTS:
        raise UnknownNameError("split", split, list(SPLITS))


def scene_seed(split: str, seed: int, index: int) -> int:
    """The number that decides everything about one scene.

    It is a hash of (seed, index) folded into the split's own range of 2^60 numbers: the ranges are disjoint, so no seed
    that a user gives can bring a training scene into a test.
    """
    check_split(split)
    digest = hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=8).digest()
    return _RANGE_STARTS[split] + int.from_bytes(digest, "big") % _RANGE
