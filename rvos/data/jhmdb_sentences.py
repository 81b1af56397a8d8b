"""JHMDB-Sentences (Gavrilyuk et al., CVPR 2018; the fixed list of frames of MTTR, CVPR 2022), on disk.

ROOT/jhmdb_sentences_samples_metadata.json             the fixed samples: [video, image, mat, frames, text]
ROOT/Rename_Images/<action>/<video>/<frame>.png        frames count from 1, five digits
ROOT/puppet_mask/<action>/<video>/puppet_mask.mat      `part_mask` (H, W, T), the actor

The official list has 2,784 samples: three frames of each of 928 videos, video by video and in order of time, with one
text per video. Its paths begin with "./jhmdb_sentences/", which is ROOT. "frames" may be smaller than the number of
images, because the last ones of some videos have no mask: the video ends there, as it does in the reference.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from image_core.data.annotation_files import read_json
from image_core.errors import DataError
from rvos.data.base import VideoDataset
from rvos.data.protocol import OVER_SAMPLES, Protocol, ResultsFile
from rvos.data.records import Expression, VideoRecord, frame_paths

_LIST_ROOT = "jhmdb_sentences"
_ACTOR = "1"
"""The only object of a mat file: its pixels are 1."""


@dataclass(frozen=True)
class JhmdbSentences(VideoDataset):
    """One expression per distinct text of a video; its id is the index of the text.

    mats: video id -> its mat file.
    """

    name: ClassVar[str] = "jhmdb_sentences"
    title: ClassVar[str] = "JHMDB-Sentences"
    splits: ClassVar[tuple[str, ...]] = ("test",)
    protocols: ClassVar[tuple[Protocol, ...]] = (replace(OVER_SAMPLES, layout=ResultsFile("v_{video}_f_{frame}")),)

    mats: dict[str, Path] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, root: Path, split: str | None = None) -> JhmdbSentences:
        split = cls.check_split(split)
        samples: dict[str, list[_Sample]] = {}
        for sample in _samples(root / "jhmdb_sentences_samples_metadata.json"):
            samples.setdefault(sample.video_id, []).append(sample)
        videos = tuple(_record(root, video_id, group) for video_id, group in samples.items())
        return cls(root, split, videos, mats={video_id: root / group[0].mat for video_id, group in samples.items()})

    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        return (self.mats[video.video_id],)

    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        path = self.mats[video.video_id]
        masks = _read_masks(path)
        for position in expression.scored or ():
            if position >= masks.shape[2]:
                raise DataError(
                    f"{path}: expected a mask of frame {position + 1}, got {masks.shape[2]} masks: download it again"
                )
            yield masks[:, :, position] != 0


@dataclass(frozen=True)
class _Sample:
    """One entry of the list. folder, mat: relative to ROOT; position: of the frame, 0-based; length: of the video in
    frames."""

    video_id: str
    folder: PurePosixPath
    position: int
    mat: PurePosixPath
    length: int
    text: str


def _samples(path: Path) -> Iterator[_Sample]:
    document = read_json(path)
    if not isinstance(document, list):
        raise DataError(f"{path}: expected the list of samples, got no list: is it the right file?")
    for number, entry in enumerate(document):
        yield _sample(f"{path}, entry {number}", entry)


def _sample(where: str, entry: Any) -> _Sample:
    kinds = [type(value) for value in entry] if isinstance(entry, list) else []
    if kinds != [str, str, str, int, str]:
        raise DataError(f"{where}: expected [video, image, mat, frames, text], got {str(entry)[:80]}: correct the list")
    video_id, image, mat, length, text = entry
    image, mat = _below_root(where, image), _below_root(where, mat)
    if not re.fullmatch("[0-9]{1,9}", image.stem) or not 1 <= int(image.stem) <= length:
        raise DataError(f"{where}: expected an image from 00001.png to {length:05d}.png, got '{image.name[:60]}'")
    return _Sample(video_id, image.parent, int(image.stem) - 1, mat, length, " ".join(text.split()))


def _below_root(where: str, name: str) -> PurePosixPath:
    """The path without the "./jhmdb_sentences/" that it begins with."""
    path = PurePosixPath(name)
    parts = path.parts[1:] if path.parts[:1] == (_LIST_ROOT,) else path.parts
    if path.is_absolute() or ".." in parts or not parts:
        raise DataError(f"{where}: expected a path inside './{_LIST_ROOT}/', got '{name}': correct the list")
    return PurePosixPath(*parts)


def _record(root: Path, video_id: str, samples: list[_Sample]) -> VideoRecord:
    first = samples[0]
    scored: dict[str, set[int]] = {}
    for sample in samples:
        scored.setdefault(sample.text, set()).add(sample.position)
    # Named by the count in the list, not by the files in the folder: a missing image raises when it is opened.
    names = tuple(f"{number:05d}" for number in range(1, first.length + 1))
    expressions = tuple(
        Expression(str(index), text, (_ACTOR,), tuple(sorted(positions)))
        for index, (text, positions) in enumerate(scored.items())
    )
    return VideoRecord(video_id, frame_paths(root / first.folder, names, ".png"), names, expressions)


def _read_masks(path: Path) -> np.ndarray:
    """(H, W, T), 0 in the background. Raises `DataError`."""
    import scipy.io
    from scipy.io.matlab import MatReadError

    try:
        masks = scipy.io.loadmat(str(path), variable_names=["part_mask"]).get("part_mask")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such annotation: download it, or leave its video out") from error
    # scipy has no single error for a damaged file. NotImplementedError: a mat file of version 7.3.
    except (OSError, ValueError, TypeError, IndexError, NotImplementedError, zlib.error, MatReadError) as error:
        raise DataError(f"{path}: expected a mat file, got one that cannot be read: download it again") from error
    if not isinstance(masks, np.ndarray) or masks.ndim != 3:
        raise DataError(f"{path}: expected 'part_mask' (H, W, T), got none: is it the right file?")
    return masks
