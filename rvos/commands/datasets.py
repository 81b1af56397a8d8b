"""The datasets as the command line names them: help texts are made of the tables."""

from __future__ import annotations

from collections.abc import Iterable

from image_core.data.table import SPLITS_BY
from rvos.data import DATASETS

SYNTHETIC = "synthetic_images"
"""Pictures that are drawn when they are asked for, and need no folder."""

ALL = (*DATASETS, *SPLITS_BY, SYNTHETIC)
"""What can be evaluated: videos, pictures."""

VIDEO_FIGURES = ("J&F", "J", "F", "P@0.5", "oIoU", "mIoU", "mAP", "N-acc", "T-acc")
"""What is told of the metrics of videos, where they have it, in this order."""


def in_words(names: Iterable[str]) -> str:
    """`a, b or c`, each as the command line takes it."""
    *first, last = (name.replace("_", "-") for name in names)
    return f"{', '.join(first)} or {last}" if first else last
