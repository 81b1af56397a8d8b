"""A2D-Sentences (Gavrilyuk et al., "Actor and Action Video Segmentation from a Sentence", CVPR 2018), on disk.

ROOT/Release/videoset.csv                       no header, 9 columns: the first is the video, the last 0 train, 1 test
ROOT/Release/clips320H/<video>.mp4              or CLIPS320
ROOT/text_annotations/a2d_annotation.txt        with header: video_id, instance_id, query
ROOT/text_annotations/a2d_missed_videos.txt     videos to leave out, one per line
ROOT/text_annotations/a2d_annotation_with_instances/<video>/<frame>.h5     frames count from 1, five digits

About 3 to 5 frames of a video are annotated. An h5 file holds `instance` (N,), the ids of the instances on the frame,
and `reMask` (N, W, H), their masks transposed; (W, H) where N is 1.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from image_core.entries import entries_of
from image_core.errors import DataError
from rvos.data.base import VideoDataset
from rvos.data.protocol import OVER_SAMPLES, Protocol, ResultsFile
from rvos.data.records import Expression, VideoRecord

if TYPE_CHECKING:
    import h5py

_SUBSETS = {"train": "0", "test": "1"}
_CLIP_FOLDERS = ("clips320H", "CLIPS320")
_COLUMNS = ("video_id", "instance_id", "query")
_VIDEOSET_COLUMNS = 9
_MAX_DIGITS = 9
"""Most digits of an instance id: h5 files hold integers of 32 or 64 bits."""

_Query = tuple[str, str]
"""Instance id, text."""


@dataclass(frozen=True)
class A2dSentences(VideoDataset):
    """One expression per query; its id is that of the instance, "<instance>_2" for a second query about the same one.

    `scored` are the frames whose annotation file holds the instance: the others have no truth and are not samples. It
    is None where a video has no annotated frame at all.
    """

    name: ClassVar[str] = "a2d_sentences"
    title: ClassVar[str] = "A2D-Sentences"
    splits: ClassVar[tuple[str, ...]] = ("test", "train")
    protocols: ClassVar[tuple[Protocol, ...]] = (
        replace(OVER_SAMPLES, layout=ResultsFile("v_{video}_f_{frame}_i_{expression}")),
    )

    @classmethod
    def read(cls, root: Path, split: str | None = None) -> A2dSentences:
        """See `VideoDataset.read`. The instance ids of every annotated frame are read too, because they define the
        samples; on a network disk this takes longer than everything else.
        """
        split = cls.check_split(split)
        queries, notes = _queries_of(root, split)
        clips = next((root / "Release" / name for name in _CLIP_FOLDERS if (root / "Release" / name).is_dir()), None)
        clips = clips or root / "Release" / _CLIP_FOLDERS[0]
        videos, unannotated, dropped = [], 0, 0
        for video_id, video_queries in queries.items():
            instances = _instances_by_frame(_annotation_folder(root, video_id))
            expressions = _expressions(video_queries, instances)
            unannotated += not instances
            dropped += len(video_queries) - len(expressions)
            if expressions:
                videos.append(VideoRecord(video_id, clips / f"{video_id}.mp4", (), expressions))
        if dropped:
            notes.append(f"sentences left out: {dropped}, no annotated frame holds their target")
        if unannotated:
            notes.append(f"videos without an annotated frame, which cannot be scored: {unannotated} of {len(queries)}")
        return cls(root, split, tuple(videos), tuple(notes))

    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        positions = sorted({p for e in video.expressions for p in e.scored or ()})
        return tuple(self._truth_file(video, position) for position in positions)

    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        if expression.scored is None:
            folder = _annotation_folder(self.root, video.video_id)
            raise DataError(f"{folder}: expected annotated frames, got none: download them, or leave the video out")
        for position in expression.scored:
            yield _read_mask(self._truth_file(video, position), int(expression.object_ids[0]))

    def _truth_file(self, video: VideoRecord, position: int) -> Path:
        return _annotation_folder(self.root, video.video_id) / f"{video.frame_name(position)}.h5"


def _annotation_folder(root: Path, video_id: str) -> Path:
    return root / "text_annotations" / "a2d_annotation_with_instances" / video_id


def _queries_of(root: Path, split: str) -> tuple[dict[str, list[_Query]], list[str]]:
    """Video -> its queries, both in the order of the file, and a note for each reason why rows were left out."""
    subset_of = _read_subsets(root / "Release" / "videoset.csv")
    texts = root / "text_annotations"
    excluded_file = texts / "a2d_missed_videos.txt"
    excluded = {line.strip() for line in _read_text(excluded_file).splitlines()} if excluded_file.is_file() else set()
    queries: dict[str, list[_Query]] = {}
    left_out: Counter[str] = Counter()
    for row in _read_query_rows(texts / "a2d_annotation.txt"):
        video_id, instance_id, text = (" ".join(value.split()) for value in row)
        if video_id not in subset_of:
            left_out["their video is not in videoset.csv"] += 1
        elif subset_of[video_id] != _SUBSETS[split]:
            continue
        elif video_id in excluded:
            left_out["their video is in a2d_missed_videos.txt"] += 1
        elif not instance_id.isdecimal() or len(instance_id) > _MAX_DIGITS or not text:
            # The official file has one: instance '1 (copy)' of T6bNPuKV-wY.
            left_out[f"no sentence, or no number as instance ('{instance_id}' of {video_id})"] += 1
        else:
            queries.setdefault(video_id, []).append((str(int(instance_id)), text))
    notes = [f"a2d_annotation.txt, rows left out: {count}, {reason}" for reason, count in left_out.items()]
    if not excluded_file.is_file():
        notes.append(f"{excluded_file.name} is missing: no video is left out because of it")
    return queries, notes


def _read_subsets(path: Path) -> dict[str, str]:
    """Video -> "0" (train) or "1" (test)."""
    rows = _read_csv(path)
    if not rows or min(map(len, rows)) < _VIDEOSET_COLUMNS:
        raise DataError(
            f"{path}: expected the {_VIDEOSET_COLUMNS} columns of videoset.csv, got shorter rows: download it again"
        )
    return {row[0].strip(): row[_VIDEOSET_COLUMNS - 1].strip() for row in rows}


def _read_query_rows(path: Path) -> list[list[str]]:
    """The values of `_COLUMNS` in each row, "" for what a row lacks; other columns are ignored."""
    header, *rows = _read_csv(path) or [[]]
    missing = [column for column in _COLUMNS if column not in header]
    if missing:
        raise DataError(
            f"{path}: expected the header {','.join(_COLUMNS)}, got no column '{missing[0]}': is it the right file?"
        )
    columns = [header.index(column) for column in _COLUMNS]
    return [[row[column] if column < len(row) else "" for column in columns] for row in rows]


def _read_csv(path: Path) -> list[list[str]]:
    """The rows of a CSV file that are not empty."""
    try:
        return [row for row in csv.reader(io.StringIO(_read_text(path))) if row]
    except csv.Error as error:
        raise DataError(f"{path}: expected a CSV file, got another ({error}): download it again") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file: docs/datasets.md shows the layout of the dataset") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a text file, got another ({error}): download it again") from error


def _instances_by_frame(folder: Path) -> dict[int, frozenset[str] | None]:
    """0-based position of a frame -> the ids of the instances on it, None where the file cannot be read."""
    names = [path.stem for path in entries_of(folder) if path.suffix == ".h5"] if folder.is_dir() else []
    instances: dict[int, frozenset[str] | None] = {}
    for name in names:
        if not name.isdecimal() or int(name) < 1:
            continue
        try:
            with _open_h5(folder / f"{name}.h5") as file:
                instances[int(name) - 1] = frozenset(str(int(i)) for i in _read_instance_ids(file))
        except DataError:
            instances[int(name) - 1] = None
    return instances


def _expressions(queries: list[_Query], instances: dict[int, frozenset[str] | None]) -> tuple[Expression, ...]:
    """The queries with a frame to score, as expressions; all of them where no frame is annotated.

    The frame of a file that cannot be read is kept, because it may hold the instance; reading its truth then raises.
    """
    expressions = []
    counts: Counter[str] = Counter()
    for instance_id, text in queries:
        counts[instance_id] += 1
        expression_id = instance_id if counts[instance_id] == 1 else f"{instance_id}_{counts[instance_id]}"
        scored = tuple(p for p, ids in sorted(instances.items()) if ids is None or instance_id in ids)
        if scored or not instances:
            expressions.append(Expression(expression_id, text, (instance_id,), scored or None))
    return tuple(expressions)


def _open_h5(path: Path) -> h5py.File:
    import h5py

    try:
        # These files are never written to, and shared disks often do not support locks.
        return h5py.File(path, "r", locking=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such annotation: download it, or leave its video out") from error
    except OSError as error:
        raise DataError(f"{path}: expected an h5 file, got one that cannot be read: download it again") from error


def _read_instance_ids(file: h5py.File) -> np.ndarray:
    """(N,) the ids of the instances in a file, in the order of its masks."""
    return np.ravel(_read_numbers(_h5_dataset(file, "instance"), ()))


def _h5_dataset(file: h5py.File, key: str) -> h5py.Dataset:
    import h5py

    data = file.get(key)
    if not isinstance(data, h5py.Dataset):
        raise DataError(f"{file.filename}: expected '{key}', got none: download the file again")
    return data


def _read_numbers(data: h5py.Dataset, index: int | tuple[()]) -> np.ndarray:
    """`data[index]`. Raises `DataError` where it cannot be read or does not hold numbers."""
    try:
        values = np.asarray(data[index])
    except (OSError, IndexError, ValueError) as error:
        raise DataError(f"{data.file.filename}: '{data.name}' cannot be read: download the file again") from error
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"{data.file.filename}: expected numbers in '{data.name}', got {values.dtype}: download it again"
        )
    return values


def _read_mask(path: Path, instance: int) -> np.ndarray:
    """(H, W) bool, the mask of one instance."""
    with _open_h5(path) as file:
        instances, masks = _read_instance_ids(file), _h5_dataset(file, "reMask")
        index = np.flatnonzero(instances == instance)
        if not len(index):
            raise DataError(f"{path}: expected the instance {instance}, got {instances.tolist()}: download it again")
        if masks.ndim not in (2, 3) or (masks.ndim == 2 and len(instances) > 1):
            raise DataError(
                f"{path}: expected reMask of {len(instances)} instances, got {masks.shape}: download it again"
            )
        mask = _read_numbers(masks, () if masks.ndim == 2 else int(index[0]))
    return mask.T != 0
