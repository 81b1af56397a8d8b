"""The law of a video dataset: its videos as records, and the true mask of every expression."""

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
from rvos.data.protocol import Figures, IdTruth, Protocol, Server
from rvos.data.records import Expression, VideoRecord


@dataclass(frozen=True)
class VideoDataset(ABC):
    """One split of a dataset that lies under `root`, and all that tells the dataset from others.

    The module of an adapter begins with the tree that it reads, a line an entry, `ROOT/...` and what it holds. Packages
    that only one dataset needs are imported by the functions that read: the table of datasets imports every adapter.
    """

    #: As the command line takes it, with underscores.
    name: ClassVar[str]
    #: As papers write it.
    title: ClassVar[str]
    #: The first is the one that has truth and that papers report, the default.
    splits: ClassVar[tuple[str, ...]]
    #: By what rules it is scored; the first is that of single expressions, unless `rules` says otherwise.
    protocols: ClassVar[tuple[Protocol, ...]]
    #: What the tree does not tell of the files, and the splits not of themselves; for the documentation.
    files_note: ClassVar[str] = ""
    splits_note: ClassVar[str] = ""
    #: Where predictions can be submitted to.
    server: ClassVar[Server | None] = None

    root: Path
    split: str
    #: In the dataset's own order.
    videos: tuple[VideoRecord, ...]
    #: What was missing and how it was made up for, a line each.
    notes: tuple[str, ...] = ()

    @classmethod
    @abstractmethod
    def read(cls, root: Path, split: str | None = None) -> VideoDataset:
        """Read the metadata of a split (None: the default); pictures and masks are left alone.

        Raises `UnknownNameError` for another split, `DataError` for metadata that is missing or broken.
        """

    @classmethod
    def check_split(cls, split: str | None) -> str:
        """The split, the default one for None. Raises `UnknownNameError`."""
        if split is None:
            return cls.splits[0]
        if split not in cls.splits:
            raise UnknownNameError(f"split of {cls.name}", split, list(cls.splits))
        return split

    @classmethod
    def tree(cls) -> str:
        """How the dataset must lie on disk, in words."""
        return sys.modules[cls.__module__].__doc__ or ""

    @classmethod
    def files(cls) -> tuple[str, ...]:
        """The entries of the tree, below ROOT."""
        return tuple(re.findall(r"^ROOT/(\S+)", cls.tree(), re.MULTILINE))

    @property
    def rules(self) -> Protocol:
        """Those for single expressions, of this split and version."""
        return self.protocols[0]

    def summary(self, figures: Figures) -> dict[str, Any]:
        """The figures that papers report of this dataset, first in `metrics.json`."""
        return dict(figures.means)

    def id_truth(self) -> IdTruth | None:
        """What a second protocol needs, which scores several expressions by one picture of ids; None for no such."""
        return None

    @abstractmethod
    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        """The files that hold the truth of a video, whether or not they are there; () where the split has none."""

    @abstractmethod
    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        """The true masks (H, W) bool of the scored frames in order, one by one.

        Raises `DataError` for truth that is missing or broken.
        """

    def expects_target(self, video: VideoRecord, expression: Expression) -> bool:
        """Some frame of the truth must show what is meant; truth that never does is broken, not absence."""
        return expression.has_target


def nothing_shown(dataset: VideoDataset, video: VideoRecord, expression: Expression) -> str:
    """What is said of an expression whose target must be seen, and is on no frame of the truth."""
    meant = f"object {', '.join(expression.object_ids)}" if expression.object_ids else "its target"
    return (
        f"{dataset.name}, {video.video_id}/{expression.expression_id}: expected {meant} on some frame of the truth, "
        "got it on none: fetch the annotations again, or correct the metadata"
    )


def read_id_map(path: Path) -> np.ndarray:
    """(H, W) uint8, the object id of each pixel of a PNG of ids, 255 void, not to be written to. Raises `DataError`."""
    return read_truth(path).ids()


def read_truth(path: Path) -> MaskImage:
    """A PNG of the truth, of which the last few are kept: the expressions of a video ask for the same ones, frame after
    frame. Raises `DataError`."""
    try:
        return _kept(path, path.stat().st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{path}: annotation not there: fetch it, or leave its video out") from error


@lru_cache(maxsize=8)
def _kept(path: Path, modified_ns: int) -> MaskImage:
    return read_mask(path)


def require(document: Any, key: str, path: Path) -> Any:
    """`document[key]`. Raises `DataError` where it is not there, naming the file."""
    if not isinstance(document, dict) or key not in document:
        raise DataError(f"{path}: expected '{key}', got none: is it the right file?")
    return document[key]
