"""Which seeds belong to which split of the videos: ranges that meet neither each other nor those of the pictures."""

from __future__ import annotations

import hashlib

from image_core.errors import UnknownNameError

SPLITS = ("train", "val", "test")
DEFAULT_LENGTHS = {"train": 10**6, "val": 512, "test": 512}

_RANGE = 1 << 60
# The pictures own the ranges 0 to 3.
_FIRST_RANGE = 4
_TEXTURES = 1 << 32
"""Pictures take the seeds of their textures from below this; each split of the videos has as many above it."""


def check_split(split: str) -> None:
    """Raise `UnknownNameError` unless `split` is one of `SPLITS`."""
    if split not in SPLITS:
        raise UnknownNameError("split", split, list(SPLITS))


def video_seed(split: str, seed: int, index: int) -> int:
    """The number that decides everything about one video: a hash of (seed, index) in the split's own range of 2^60.

    Raises `UnknownNameError` for a split that is not there.
    """
    check_split(split)
    digest = hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=8).digest()
    return (_FIRST_RANGE + SPLITS.index(split)) * _RANGE + int.from_bytes(digest, "big") % _RANGE


def texture_seed(split: str, drawn: int) -> int:
    """A drawn number moved into the split's own range of texture seeds."""
    return (1 + SPLITS.index(split)) * _TEXTURES + drawn % _TEXTURES
