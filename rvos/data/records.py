"""A video of a dataset with its expressions: the types that every adapter makes and the evaluation reads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from image_core.errors import DataError
from rvos.types import StoredImages

_MAX_BYTES = 200
"""Of an id: file systems allow 255 for a name, and a suffix is added."""
_FORBIDDEN = re.compile(r"[/\\\0]")


def check_id(kind: str, name: str) -> None:
    """Raise `DataError` for an id that cannot be the name of a file or a folder, or that would leave its folder."""
    size = len(name.encode("utf-8", "surrogatepass"))
    if name in ("", ".", "..") or _FORBIDDEN.search(name) or size > _MAX_BYTES or not name.isprintable():
        raise DataError(f"{kind}: expected an id that can be a file name, got {name[:60]!a}: correct the annotation")


@dataclass(frozen=True)
class Expression:
    """An expression about a video.

    Raises `DataError` for an id that cannot be a file name, `ValueError` for positions that do not increase.
    """

    expression_id: str
    text: str
    #: Ids of its target in the truth of the dataset; () where there is no truth or no target.
    object_ids: tuple[str, ...] = ()
    #: 0-based positions of the frames that have truth, increasing; None for all frames.
    scored: tuple[int, ...] | None = None
    #: Labels by which figures are broken down, such as {"type": "static"}.
    labels: Mapping[str, str] = field(default_factory=dict)
    #: False where the metadata says that the expression has no target.
    has_target: bool = True
    #: True where only its motion tells the target from other objects.
    motion: bool = False

    def __post_init__(self) -> None:
        check_id("expression", self.expression_id)
        if self.scored is not None and (not self.scored or list(self.scored) != sorted({*self.scored})):
            raise ValueError(f"Expression.scored: expected increasing positions, at least one, got {self.scored}")


@dataclass(frozen=True)
class VideoRecord:
    """A video of a dataset, with all its expressions.

    source: a video file, or the images in order; frame_names: names of all frames, without suffix; () for a video file,
    whose frames are named by their position, from 1 (`frame_name`).
    """

    video_id: str
    source: Path | tuple[Path, ...]
    frame_names: tuple[str, ...]
    expressions: tuple[Expression, ...]

    def __post_init__(self) -> None:
        check_id("video", self.video_id)
        for name in self.frame_names:
            check_id(f"video '{self.video_id}', frame", name)
        if not isinstance(self.source, Path) and len(self.source) != len(self.frame_names):
            raise ValueError(
                f"VideoRecord '{self.video_id}': expected as many images as frame names, got {len(self.source)} and "
                f"{len(self.frame_names)}"
            )
        for kind, names in (("an id", [e.expression_id for e in self.expressions]), ("a frame", self.frame_names)):
            repeated = next((name for name, count in Counter(names).items() if count > 1), None)
            if repeated is not None:
                raise DataError(f"video '{self.video_id}': expected {kind} only once, got '{repeated}' again")

    @property
    def stored_source(self) -> Path | StoredImages:
        """The source for reading frames that match the truth: images as they are stored, without EXIF rotation."""
        return self.source if isinstance(self.source, Path) else StoredImages(self.source)

    def frame_name(self, index: int) -> str:
        """The name of the frame at a position; "00001" is the first of a video file."""
        return self.frame_names[index] if self.frame_names else f"{index + 1:05d}"


def frame_paths(folder: Path, names: Sequence[str], suffix: str = ".jpg") -> tuple[Path, ...]:
    """The files of the named frames. They need not exist: a missing one raises when it is opened."""
    return tuple(folder / f"{name}{suffix}" for name in names)
