"""The datasets as the command line names them: help texts are made of the tables."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from image_core.data.table import SPLITS_BY
from rvos.data import DATASETS

_LOG = logging.getLogger(__name__)
_MOST_TOLD = 5

SYNTHETIC = "synthetic_images"
"""Pictures that are drawn when they are asked for, and need no folder."""

ALL = (*DATASETS, *SPLITS_BY, SYNTHETIC)
"""What can be evaluated: videos, pictures."""

VIDEO_FIGURES = ("J&F", "J", "F", "P@0.5", "oIoU", "mIoU", "mAP", "N-acc", "T-acc")
"""What is told of the metrics of videos, where they have it, in this order."""


def tell_failures(failures: Sequence[Mapping[str, str]]) -> None:
    """The first of what broke while it was predicted or scored, a line each, on stderr."""
    where = ("/".join(text for key, text in failure.items() if key != "error") for failure in failures)
    tell_some([f"{place}: {failure['error']}" for place, failure in zip(where, failures, strict=True)])


def tell_some(lines: Sequence[str]) -> None:
    """The first of some lines, on stderr, and how many more there are."""
    for line in lines[:_MOST_TOLD]:
        _LOG.warning("%s", line)
    if len(lines) > _MOST_TOLD:
        _LOG.warning("and %d more of them, in the file", len(lines) - _MOST_TOLD)


def in_words(names: Iterable[str]) -> str:
    """`a, b or c`, each as the command line takes it."""
    *first, last = (name.replace("_", "-") for name in names)
    return f"{', '.join(first)} or {last}" if first else last
