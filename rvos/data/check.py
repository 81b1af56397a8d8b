"""What of a dataset lies on disk: looked up before an hour of evaluation finds out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from image_core.data.check import MAX_LISTED, format_items, items_document
from image_core.entries import entries_of
from image_core.progress import Progress, no_progress
from rvos.data.base import VideoDataset
from rvos.data.records import VideoRecord
from rvos.data.truth_check import frame_faults, text_faults, truth_faults

_NO_TRUTH = "truth: none here, so nothing can be scored: fetch it, choose another --split, or pack with rvos submit"


@dataclass(frozen=True)
class Inventory:
    """What of one split lies on disk."""

    dataset: VideoDataset
    #: (height, width) in pixels of first frames -> number of videos.
    sizes: dict[tuple[int, int], int]
    #: Folders of pictures, or video files.
    missing_sources: tuple[Path, ...]
    #: Of the folders that are there.
    missing_pictures: tuple[Path, ...]
    #: A line a frame that cannot be read or has another size than its video's first.
    unreadable: tuple[str, ...]
    #: A line an expression that cannot be asked.
    bad_texts: tuple[str, ...]
    #: They lie beside listed ones and are left alone.
    unlisted_pictures: tuple[Path, ...]
    #: How many there should be, 0 where the split has no truth.
    truth_files: int
    missing_truth: tuple[Path, ...]
    #: A line an expression whose truth is broken, has another size than the frames, or shows nothing.
    truth_faults: tuple[str, ...]

    @property
    def expressions(self) -> int:
        """How many expressions the metadata has."""
        return sum(len(video.expressions) for video in self.dataset.videos)

    @property
    def frames(self) -> int | None:
        """How many frames the metadata lists; None where it lists none."""
        return sum(len(video.frame_names) for video in self.dataset.videos) or None

    @property
    def to_do(self) -> str | None:
        """What keeps the split from being evaluated and the fix, in one line; None when it is ready."""
        split, videos = self.dataset.split, len(self.dataset.videos)
        faults = []
        if not self.expressions:
            faults.append(f"the metadata of '{split}' has {videos} videos and no expression: is it the right file?")
        if self.missing_sources:
            faults.append(f"{_of(self.missing_sources)} missing of {videos} videos: fetch the videos of '{split}'")
        if self.missing_pictures:
            faults.append(f"pictures missing, {_of(self.missing_pictures)}: fetch them again")
        if self.unreadable:
            faults.append(f"{len(self.unreadable)} frames cannot be used, the first: {self.unreadable[0]}")
        if self.bad_texts:
            faults.append(f"{len(self.bad_texts)} expressions cannot be asked, the first: {self.bad_texts[0]}")
        if self.missing_truth:
            faults.append(f"truth missing, {_of(self.missing_truth)} of {self.truth_files} files: fetch it again")
        if self.truth_faults:
            count = len(self.truth_faults)
            faults.append(f"the truth of {count} expressions cannot be used, the first: {self.truth_faults[0]}")
        return "; ".join(faults) or None

    @property
    def verdict(self) -> str:
        """What a split that has nothing to do is ready for."""
        return "ready" if self.truth_files else "ready to predict, not to score"

    def lines(self) -> list[str]:
        """For people, a line a finding."""
        frames = "" if self.frames is None else f", {self.frames} frames"
        sizes = ", ".join(f"{n} of {h} x {w} px" for (h, w), n in Counter(self.sizes).most_common(MAX_LISTED))
        more = f", and {len(self.sizes) - MAX_LISTED} more sizes" if len(self.sizes) > MAX_LISTED else ""
        present = self.truth_files - len(self.missing_truth)
        return [
            f"{self.dataset.name}, split {self.dataset.split}, in {self.dataset.root}",
            f"metadata: {len(self.dataset.videos)} videos, {self.expressions} expressions{frames}",
            *(f"note: {note}" for note in self.dataset.notes),
            f"first frames (height x width): {sizes or 'none could be read'}{more}",
            *format_items("folders or video files missing", self.missing_sources),
            *format_items("pictures missing", self.missing_pictures),
            *format_items("cannot be read", self.unreadable),
            *format_items("expressions that cannot be asked", self.bad_texts),
            *format_items("pictures that no list names, left alone", self.unlisted_pictures),
            f"truth: {present} of {self.truth_files} files" if self.truth_files else _NO_TRUTH,
            *format_items("truth files missing", self.missing_truth),
            *format_items("truth that cannot be used", self.truth_faults),
        ]

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "dataset": self.dataset.name,
            "split": self.dataset.split,
            "root": str(self.dataset.root),
            "ready": self.to_do is None,
            "to_do": self.to_do,
            "videos": len(self.dataset.videos),
            "expressions": self.expressions,
            "frames": self.frames,
            "notes": list(self.dataset.notes),
            "sizes": {f"{h}x{w}": count for (h, w), count in self.sizes.items()},
            "missing_sources": items_document(self.missing_sources),
            "missing_pictures": items_document(self.missing_pictures),
            "unreadable": items_document(self.unreadable),
            "unlisted_pictures": items_document(self.unlisted_pictures),
            "has_truth": self.truth_files > 0,
            "truth_files": self.truth_files,
            "missing_truth": items_document(self.missing_truth),
            "bad_texts": items_document(self.bad_texts),
            "truth_faults": items_document(self.truth_faults),
        }


def check_dataset(
    dataset: VideoDataset, size_of: Callable[[VideoRecord], tuple[int, int]], progress: Progress = no_progress
) -> Inventory:
    """Look up every file that the metadata of a split names, and open all that is there, frames and truth.

    size_of: reads (height, width) off the first frame of a video, raises `RvosError` where it cannot be read.
    """
    folders = _Folders()
    missing = [path for video in dataset.videos if (path := _missing_source(video, folders)) is not None]
    there = [video for video in dataset.videos if _missing_source(video, folders) is None]
    pictures = [path for video in there if isinstance(video.source, tuple) for path in video.source]
    absent = {path for path in pictures if not folders.has(path)}
    sizes: Counter[tuple[int, int]] = Counter()
    unreadable: list[str] = []
    unusable: list[str] = []
    truth = dict.fromkeys(path for video in dataset.videos for path in dataset.truth_files(video))
    for done, video in enumerate(there):
        progress(done, len(there))
        size = None
        if isinstance(video.source, Path) or (video.source and video.source[0] not in absent):
            size, faults = frame_faults(video, size_of)
            unreadable += faults
        if size is not None:
            sizes[size] += 1
        files = dataset.truth_files(video)
        if files and all(map(folders.has, files)):
            unusable += truth_faults(dataset, video, size)
    return Inventory(
        dataset=dataset,
        sizes=dict(sizes),
        missing_sources=tuple(missing),
        missing_pictures=tuple(path for path in pictures if path in absent),
        unreadable=tuple(unreadable),
        unlisted_pictures=_unlisted(pictures, folders),
        truth_files=len(truth),
        bad_texts=tuple(fault for video in dataset.videos for fault in text_faults(video)),
        missing_truth=tuple(path for path in truth if not folders.has(path)),
        truth_faults=tuple(unusable),
    )


@dataclass(frozen=True)
class _Folders:
    """The names in folders, each folder read once: a hundred thousand single look-ups take minutes on a far disk."""

    known: dict[Path, frozenset[str]] = field(default_factory=dict)

    def names(self, folder: Path) -> frozenset[str]:
        if folder not in self.known:
            self.known[folder] = frozenset(path.name for path in entries_of(folder)) if folder.is_dir() else frozenset()
        return self.known[folder]

    def has(self, path: Path) -> bool:
        return path.name in self.names(path.parent)


def _missing_source(video: VideoRecord, folders: _Folders) -> Path | None:
    """The video file that is not there, or the folder in which not one listed picture is."""
    if isinstance(video.source, Path):
        return None if folders.has(video.source) else video.source
    if not video.source or any(folders.has(path) for path in video.source):
        return None
    return video.source[0].parent


def _unlisted(pictures: Sequence[Path], folders: _Folders) -> tuple[Path, ...]:
    listed, suffixes = set(pictures), {path.suffix for path in pictures}
    beside = (folder / name for folder in dict.fromkeys(p.parent for p in pictures) for name in folders.names(folder))
    return tuple(sorted(path for path in beside if path.suffix in suffixes and path not in listed))


def _of(paths: Sequence[Path]) -> str:
    return f"{len(paths)}, the first {paths[0]}"
