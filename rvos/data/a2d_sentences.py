"""A2D-Sentences (Gavrilyuk et al., "Actor and Action Video Segmentation from a Sentence", CVPR 2018), on disk.

ROOT/Release/videoset.csv                       no header, 9 columns: the first is the video, the last 0 train, 1 test
ROOT/Release/clips320H/<video>.mp4              or CLIPS320
ROOT/text_annotations/a2d_annotation.txt        with header: video_id, instance_id, query
ROOT/text_annotations/a2d_missed_videos.txt     videos to leave out, one a line
ROOT/text_annotations/a2d_annotation_with_instances/<video>/<frame>.h5     frames count from 1, five digits

Some 3 to 5 frames of a video are annotated. An h5 file holds `instance` (N,), the instances that are on the frame, and
`reMask` (N, W, H), their masks transposed; (W, H) where N is 1.
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
_CLIPS = ("clips320H", "CLIPS320")
_COLUMNS = ("video_id", "instance_id", "query")
_VIDEOSET_COLUMNS = 9
_MOST_DIGITS = 9
"""Of an instance: h5 files hold whole numbers of 32 or 64 bits."""

_Query = tuple[str, str]
"""Instance id, text."""


@dataclass(frozen=True)
class A2dSentences(VideoDataset):
    """One expression per query; its id is the instance's, and "<instance>_2" where a second query means the same one.

    `scored` are the frames whose file holds the instance: the others have no truth and are not samples. It is None
    where a video has no annotated frame at all.
    """

    name: ClassVar[str] = "a2d_sentences"
    title: ClassVar[str] = "A2D-Sentences"
    splits: ClassVar[tuple[str, ...]] = ("test", "train")
    protocols: ClassVar[tuple[Protocol, ...]] = (
        replace(OVER_SAMPLES, layout=ResultsFile("v_{video}_f_{frame}_i_{expression}")),
    )

    @classmethod
    def read(cls, root: Path, split: str | None = None) -> A2dSentences:
        """As promised by `VideoDataset`; the `instance` of every annotated frame is read too.

        They say what a sample is; on a far disk this takes longer than the rest.
        """
        split = cls.check_split(split)
        queries, notes = _queries_of(root, split)
        clips = next((root / "Release" / name for name in _CLIPS if (root / "Release" / name).is_dir()), None)
        clips = clips or root / "Release" / _CLIPS[0]
        videos, bare, dropped = [], 0, 0
        for video_id, own in queries.items():
            shown = _instances(_annotation_folder(root, video_id))
            expressions = _expressions(own, shown)
            bare += not shown
            dropped += len(own) - len(expressions)
            if expressions:
                videos.append(VideoRecord(video_id, clips / f"{video_id}.mp4", (), expressions))
        if dropped:
            notes.append(f"sentences left out: {dropped}, no annotated frame holds what they mean")
        if bare:
            notes.append(f"videos without an annotated frame, which cannot be scored: {bare} of {len(queries)}")
        return cls(root, split, tuple(videos), tuple(notes))

    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        positions = sorted({p for e in video.expressions for p in e.scored or ()})
        return tuple(self._truth_file(video, position) for position in positions)

    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        if expression.scored is None:
            folder = _annotation_folder(self.root, video.video_id)
            raise DataError(f"{folder}: no annotated frame there: fetch the annotations, or leave the video out")
        for position in expression.scored:
            yield _read_mask(self._truth_file(video, position), int(expression.object_ids[0]))

    def _truth_file(self, video: VideoRecord, position: int) -> Path:
        return _annotation_folder(self.root, video.video_id) / f"{video.frame_name(position)}.h5"


def _annotation_folder(root: Path, video_id: str) -> Path:
    return root / "text_annotations" / "a2d_annotation_with_instances" / video_id


def _queries_of(root: Path, split: str) -> tuple[dict[str, list[_Query]], list[str]]:
    """Video -> its queries, both in the file's order, and a note for the rows that were left out."""
    subset_of = _subsets(root / "Release" / "videoset.csv")
    texts = root / "text_annotations"
    missed_file = texts / "a2d_missed_videos.txt"
    missed = {line.strip() for line in _text(missed_file).splitlines()} if missed_file.is_file() else set()
    queries: dict[str, list[_Query]] = {}
    left_out: Counter[str] = Counter()
    for row in _rows(texts / "a2d_annotation.txt"):
        video_id, instance_id, text = (" ".join(value.split()) for value in row)
        if video_id not in subset_of:
            left_out["their video is not in videoset.csv"] += 1
        elif subset_of[video_id] != _SUBSETS[split]:
            continue
        elif video_id in missed:
            left_out["their video is in a2d_missed_videos.txt"] += 1
        elif not instance_id.isdecimal() or len(instance_id) > _MOST_DIGITS or not text:
            # The official file has one: instance '1 (copy)' of T6bNPuKV-wY.
            left_out[f"no sentence, or no number as instance ('{instance_id}' of {video_id})"] += 1
        else:
            queries.setdefault(video_id, []).append((str(int(instance_id)), text))
    notes = [f"a2d_annotation.txt, rows left out: {count}, {reason}" for reason, count in left_out.items()]
    if not missed_file.is_file():
        notes.append(f"{missed_file.name} is not there: no video is left out for it")
    return queries, notes


def _subsets(path: Path) -> dict[str, str]:
    """Video -> "0" (train) or "1" (test)."""
    rows = _table(path)
    if not rows or min(map(len, rows)) < _VIDEOSET_COLUMNS:
        raise DataError(f"{path}: expected A2D's videoset.csv of {_VIDEOSET_COLUMNS} columns, got shorter rows")
    return {row[0].strip(): row[_VIDEOSET_COLUMNS - 1].strip() for row in rows}


def _rows(path: Path) -> list[list[str]]:
    """The three columns, whatever others there are; "" for what a row lacks."""
    header, *rows = _table(path) or [[]]
    absent = [column for column in _COLUMNS if column not in header]
    if absent:
        raise DataError(f"{path}: expected the header {','.join(_COLUMNS)}, got no column '{absent[0]}'")
    places = [header.index(column) for column in _COLUMNS]
    return [[row[place] if place < len(row) else "" for place in places] for row in rows]


def _table(path: Path) -> list[list[str]]:
    """The rows that are not empty."""
    try:
        return [row for row in csv.reader(io.StringIO(_text(path))) if row]
    except csv.Error as error:
        raise DataError(f"{path}: expected a table, got one that cannot be read ({error}): fetch it again") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: not there: docs/datasets.md tells how the dataset must lie") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected text, got another file ({error}): fetch it again") from error


def _instances(folder: Path) -> dict[int, frozenset[str] | None]:
    """0-based position -> the instances that are on that frame, None where the file cannot be read."""
    names = [path.stem for path in entries_of(folder) if path.suffix == ".h5"] if folder.is_dir() else []
    shown: dict[int, frozenset[str] | None] = {}
    for name in names:
        if not name.isdecimal() or int(name) < 1:
            continue
        try:
            with _open(folder / f"{name}.h5") as file:
                shown[int(name) - 1] = frozenset(str(int(i)) for i in _listed(file))
        except DataError:
            shown[int(name) - 1] = None
    return shown


def _expressions(queries: list[_Query], shown: dict[int, frozenset[str] | None]) -> tuple[Expression, ...]:
    """Those with a frame to score; all of them where no frame is annotated.

    A file that cannot be read may hold anything: its frame stays, and whoever asks for the truth is told.
    """
    expressions = []
    times: Counter[str] = Counter()
    for instance_id, text in queries:
        times[instance_id] += 1
        expression_id = instance_id if times[instance_id] == 1 else f"{instance_id}_{times[instance_id]}"
        scored = tuple(p for p, instances in sorted(shown.items()) if instances is None or instance_id in instances)
        if scored or not shown:
            expressions.append(Expression(expression_id, text, (instance_id,), scored or None))
    return tuple(expressions)


def _open(path: Path) -> h5py.File:
    import h5py

    try:
        # Nobody writes these files, and shared disks often know no locks.
        return h5py.File(path, "r", locking=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: annotation not there: fetch it, or leave its video out") from error
    except OSError as error:
        raise DataError(f"{path}: not an h5 file that can be read: fetch it again") from error


def _listed(file: h5py.File) -> np.ndarray:
    """(N,) the instances of a file, in the order of its masks."""
    return np.ravel(_content(_dataset(file, "instance"), ()))


def _dataset(file: h5py.File, key: str) -> h5py.Dataset:
    import h5py

    data = file.get(key)
    if not isinstance(data, h5py.Dataset):
        raise DataError(f"{file.filename}: expected '{key}', got none: fetch the file again")
    return data


def _content(data: h5py.Dataset, part: int | tuple[()]) -> np.ndarray:
    """`data[part]`, numbers."""
    try:
        content = np.asarray(data[part])
    except (OSError, IndexError, ValueError) as error:
        raise DataError(f"{data.file.filename}: '{data.name}' cannot be read: fetch the file again") from error
    if content.dtype.kind not in "biuf":
        raise DataError(f"{data.file.filename}: expected numbers in '{data.name}', got {content.dtype}: fetch it again")
    return content


def _read_mask(path: Path, instance: int) -> np.ndarray:
    """(H, W) bool, the mask of one instance."""
    with _open(path) as file:
        instances, masks = _listed(file), _dataset(file, "reMask")
        index = np.flatnonzero(instances == instance)
        if not len(index):
            raise DataError(f"{path}: expected the instance {instance}, got {instances.tolist()}: fetch the file again")
        if masks.ndim not in (2, 3) or (masks.ndim == 2 and len(instances) > 1):
            raise DataError(f"{path}: expected reMask of {len(instances)} instances, got {masks.shape}: fetch it again")
        mask = _content(masks, () if masks.ndim == 2 else int(index[0]))
    return mask.T != 0
