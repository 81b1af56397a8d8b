"""Checks the files of a video dataset, before an evaluation fails on them after an hour."""

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

_NO_TRUTH = "truth: none, so nothing can be scored: download it, choose another --split, or pack with rvos submit"


@dataclass(frozen=True)
class Inventory:
    """What is present, missing or broken on disk, for one split."""

    dataset: VideoDataset
    #: (height, width) in pixels of the first frame -> number of videos.
    sizes: dict[tuple[int, int], int]
    #: Folders of images, or video files.
    missing_sources: tuple[Path, ...]
    #: Images missing in folders that exist.
    missing_images: tuple[Path, ...]
    #: One line for each frame that cannot be read or differs in size from the first frame of its video.
    unreadable: tuple[str, ...]
    #: One line for each expression whose text is not valid.
    bad_texts: tuple[str, ...]
    #: Images in the same folders that the metadata does not list; they are ignored.
    unlisted_images: tuple[Path, ...]
    #: How many the metadata requires, 0 where the split has no truth.
    truth_files: int
    missing_truth: tuple[Path, ...]
    #: One line for each expression whose truth is broken, has another size than the frames, or never shows the target.
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
        """What prevents an evaluation of the split, with the fix, in one line; None when it is ready."""
        split, videos = self.dataset.split, len(self.dataset.videos)
        faults = []
        if not self.expressions:
            faults.append(f"the metadata of '{split}' has {videos} videos and no expression: is it the right file?")
        if self.missing_sources:
            faults.append(
                f"{_count_and_first(self.missing_sources)} missing of {videos} videos: download the videos of '{split}'"
            )
        if self.missing_images:
            faults.append(f"images missing, {_count_and_first(self.missing_images)}: download them again")
        if self.unreadable:
            faults.append(f"{len(self.unreadable)} frames cannot be used, the first: {self.unreadable[0]}")
        if self.bad_texts:
            faults.append(f"{len(self.bad_texts)} expressions are not valid, the first: {self.bad_texts[0]}")
        if self.missing_truth:
            missing = _count_and_first(self.missing_truth)
            faults.append(f"truth missing, {missing} of {self.truth_files} files: download it again")
        if self.truth_faults:
            count = len(self.truth_faults)
            faults.append(f"the truth of {count} expressions cannot be used, the first: {self.truth_faults[0]}")
        return "; ".join(faults) or None

    @property
    def verdict(self) -> str:
        """What the split is ready for when `to_do` is None."""
        return "ready" if self.truth_files else "ready to predict, not to score"

    def lines(self) -> list[str]:
        """The inventory as text, one line per finding."""
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
            *format_items("images missing", self.missing_images),
            *format_items("cannot be read", self.unreadable),
            *format_items("expressions that are not valid", self.bad_texts),
            *format_items("images that are not in the metadata, ignored", self.unlisted_images),
            f"truth: {present} of {self.truth_files} files" if self.truth_files else _NO_TRUTH,
            *format_items("truth files missing", self.missing_truth),
            *format_items("truth that cannot be used", self.truth_faults),
        ]

    def document(self) -> dict[str, Any]:
        """The inventory as JSON, for `--json`."""
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
            "missing_pictures": items_document(self.missing_images),
            "unreadable": items_document(self.unreadable),
            "unlisted_pictures": items_document(self.unlisted_images),
            "has_truth": self.truth_files > 0,
            "truth_files": self.truth_files,
            "missing_truth": items_document(self.missing_truth),
            "bad_texts": items_document(self.bad_texts),
            "truth_faults": items_document(self.truth_faults),
        }


def check_dataset(
    dataset: VideoDataset, size_of: Callable[[VideoRecord], tuple[int, int]], progress: Progress = no_progress
) -> Inventory:
    """Look up every file that the metadata of a split names, and open all frames and truth files that exist.

    size_of: returns the (height, width) of the first frame of a video, raises `RvosError` where it cannot be read.
    """
    folders = _Folders()
    missing_sources = [path for video in dataset.videos if (path := _missing_source(video, folders)) is not None]
    available = [video for video in dataset.videos if _missing_source(video, folders) is None]
    images = [path for video in available if isinstance(video.source, tuple) for path in video.source]
    missing_images = {path for path in images if not folders.has(path)}
    sizes: Counter[tuple[int, int]] = Counter()
    unreadable: list[str] = []
    truth_problems: list[str] = []
    truth_paths = dict.fromkeys(path for video in dataset.videos for path in dataset.truth_files(video))
    for done, video in enumerate(available):
        progress(done, len(available))
        size = None
        if isinstance(video.source, Path) or (video.source and video.source[0] not in missing_images):
            size, faults = frame_faults(video, size_of)
            unreadable += faults
        if size is not None:
            sizes[size] += 1
        files = dataset.truth_files(video)
        if files and all(map(folders.has, files)):
            truth_problems += truth_faults(dataset, video, size)
    return Inventory(
        dataset=dataset,
        sizes=dict(sizes),
        missing_sources=tuple(missing_sources),
        missing_images=tuple(path for path in images if path in missing_images),
        unreadable=tuple(unreadable),
        unlisted_images=_unlisted(images, folders),
        truth_files=len(truth_paths),
        bad_texts=tuple(fault for video in dataset.videos for fault in text_faults(video)),
        missing_truth=tuple(path for path in truth_paths if not folders.has(path)),
        truth_faults=tuple(truth_problems),
    )


@dataclass(frozen=True)
class _Folders:
    """The file names in folders. Each folder is listed once: single look-ups are slow on a network disk."""

    names_by_folder: dict[Path, frozenset[str]] = field(default_factory=dict)

    def names(self, folder: Path) -> frozenset[str]:
        if folder not in self.names_by_folder:
            entries = entries_of(folder) if folder.is_dir() else ()
            self.names_by_folder[folder] = frozenset(path.name for path in entries)
        return self.names_by_folder[folder]

    def has(self, path: Path) -> bool:
        return path.name in self.names(path.parent)


def _missing_source(video: VideoRecord, folders: _Folders) -> Path | None:
    """The video file if it does not exist, or the folder of images if it has none of the listed ones; else None."""
    if isinstance(video.source, Path):
        return None if folders.has(video.source) else video.source
    if not video.source or any(folders.has(path) for path in video.source):
        return None
    return video.source[0].parent


def _unlisted(images: Sequence[Path], folders: _Folders) -> tuple[Path, ...]:
    """Files with the suffix of an image, in the same folders, that are not in the list."""
    listed, suffixes = set(images), {path.suffix for path in images}
    paths = (folder / name for folder in dict.fromkeys(p.parent for p in images) for name in folders.names(folder))
    return tuple(sorted(path for path in paths if path.suffix in suffixes and path not in listed))


def _count_and_first(paths: Sequence[Path]) -> str:
    return f"{len(paths)}, the first {paths[0]}"
