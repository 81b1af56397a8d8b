"""The datasets as the command line names them: help texts are made of the tables."""

from __future__ import annotations

from collections.abc import Iterable

from image_core.data.table import SPLITS_BY
from rvos.data import DATASETS

SYNTHETIC = "synthetic_images"
"""Pictures that are drawn when they are asked for, and need no folder."""

ALL = (*DATASETS, *SPLITS_BY, SYNTHETIC)
"""What can be evaluated: videos, pictures."""


def in_words(names: Iterable[str]) -> str:
    """`a, b or c`, each as the command line takes it."""
    *first, last = (name.replace("_", "-") for name in names)
    return f"{', '.join(first)} or {last}" if first else last
