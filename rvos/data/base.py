"""The interface of a video dataset: its videos as records, and the true masks of every expression."""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from image_core.errors import DataError, UnknownNameError
from image_core.geometry.mask_files import MaskImage, read_mask
from rvos.data.protocol import Figures, IdMapTruth, Protocol, Server
from rvos.data.records import Expression, VideoRecord


@dataclass(frozen=True)
class VideoDataset(ABC):
    """One split of a dataset that is stored under `root`, and everything that is specific to the dataset.

    The docstring of an adapter's module begins with the files that it reads, one line each: `ROOT/...` and what it
    holds. A package that only one dataset needs is imported in the function that uses it, so that the other datasets
    work without it.
    """

    #: Name on the command line, with underscores.
    name: ClassVar[str]
    #: Name in papers.
    title: ClassVar[str]
    #: The first is the default: the one that has truth and that papers report.
    splits: ClassVar[tuple[str, ...]]
    #: How it is scored; the first protocol scores single expressions, unless `rules` returns another.
    protocols: ClassVar[tuple[Protocol, ...]]
    #: Notes on the files and on the splits, for the documentation.
    files_note: ClassVar[str] = ""
    splits_note: ClassVar[str] = ""
    #: Where predictions can be submitted; None for nowhere.
    server: ClassVar[Server | None] = None

    root: Path
    split: str
    #: In the order of the dataset.
    videos: tuple[VideoRecord, ...]
    #: What was missing and what was used instead, one line each.
    notes: tuple[str, ...] = ()

    @classmethod
    @abstractmethod
    def read(cls, root: Path, split: str | None = None) -> VideoDataset:
        """Read the metadata of a split (None: the default); images and masks are not opened.

        Raises `UnknownNameError` for an unknown split, `DataError` for metadata that is missing or broken.
        """

    @classmethod
    def check_split(cls, split: str | None) -> str:
        """The name of the split, the default for None. Raises `UnknownNameError` for an unknown one."""
        if split is None:
            return cls.splits[0]
        if split not in cls.splits:
            raise UnknownNameError(f"split of {cls.name}", split, list(cls.splits))
        return split

    @classmethod
    def tree(cls) -> str:
        """The layout of the dataset on disk, as text: the docstring of the module."""
        return sys.modules[cls.__module__].__doc__ or ""

    @classmethod
    def files(cls) -> tuple[str, ...]:
        """The paths in `tree`, relative to ROOT."""
        return tuple(re.findall(r"^ROOT/(\S+)", cls.tree(), re.MULTILINE))

    @property
    def rules(self) -> Protocol:
        """The protocol for single expressions, for this split and version."""
        return self.protocols[0]

    def summary(self, figures: Figures) -> dict[str, Any]:
        """The figures that papers report for this dataset; they come first in `metrics.json`."""
        return dict(figures.means)

    def id_truth(self) -> IdMapTruth | None:
        """The truth of a second protocol, which scores several expressions in one id map; None if there is no such."""
        return None

    @abstractmethod
    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        """The files that hold the truth of a video, whether they exist or not; () where the split has no truth."""

    @abstractmethod
    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        """Yield the true masks (H, W) bool of the scored frames in order.

        Raises `DataError` for truth that is missing or broken.
        """

    def expects_target(self, video: VideoRecord, expression: Expression) -> bool:
        """Whether some frame of the truth must show the target: if none does, the truth is taken to be broken."""
        return expression.has_target


def missing_target_message(dataset: VideoDataset, video: VideoRecord, expression: Expression) -> str:
    """The error message for an expression whose target must be visible (`expects_target`) but is on no frame."""
    target = f"object {', '.join(expression.object_ids)}" if expression.object_ids else "its target"
    return (
        f"{dataset.name}, {video.video_id}/{expression.expression_id}: expected {target} on some frame of the truth, "
        "got it on none: download the annotations again, or correct the metadata"
    )


def read_id_map(path: Path) -> np.ndarray:
    """(H, W) uint8, the object id of each pixel of an id map stored as PNG; 255 is void. The array is shared: do not
    write to it. Raises `DataError`."""
    return read_truth(path).ids()


def read_truth(path: Path) -> MaskImage:
    """A PNG of the truth. The last few are cached, because all expressions of a video read the same ones, frame by
    frame. Raises `DataError`."""
    try:
        return _read_mask_cached(path, path.stat().st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{path}: no such annotation: download it, or leave its video out") from error


@lru_cache(maxsize=8)
def _read_mask_cached(path: Path, modified_ns: int) -> MaskImage:
    return read_mask(path)


def require(document: Any, key: str, path: Path) -> Any:
    """`document[key]`. Raises `DataError`, which names the file, where there is no such key."""
    if not isinstance(document, dict) or key not in document:
        raise DataError(f"{path}: expected '{key}', got none: is it the right file?")
    return document[key]
