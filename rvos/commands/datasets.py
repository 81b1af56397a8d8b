"""The names of datasets on the command line, and the printing of lists."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from image_core.data.table import SPLITS_BY
from rvos.data import DATASETS

_LOG = logging.getLogger(__name__)
_MAX_LINES = 5

SYNTHETIC = "synthetic_images"
"""The dataset of images that are drawn on demand; it needs no folder."""

EVALUATED = (*DATASETS, *SPLITS_BY, SYNTHETIC)
"""The datasets that can be evaluated: of videos and of images."""

VIDEO_FIGURES = ("J&F", "J", "F", "P@0.5", "oIoU", "mIoU", "mAP", "N-acc", "T-acc")
"""The figures of video datasets that are printed, in this order."""


def log_failures(failures: Sequence[Mapping[str, str]]) -> None:
    """Log the first failures of a prediction or of scoring, one line each."""
    names = ("/".join(text for key, text in failure.items() if key != "error") for failure in failures)
    log_first([f"{name}: {failure['error']}" for name, failure in zip(names, failures, strict=True)])


def log_first(lines: Sequence[str]) -> None:
    """Log the first lines, and the number of the others."""
    for line in lines[:_MAX_LINES]:
        _LOG.warning("%s", line)
    if len(lines) > _MAX_LINES:
        _LOG.warning("and %d more, listed in the file", len(lines) - _MAX_LINES)


def join_names(names: Iterable[str]) -> str:
    """`a, b or c`, with hyphens instead of underscores."""
    *first, last = (name.replace("_", "-") for name in names)
    return f"{', '.join(first)} or {last}" if first else last
