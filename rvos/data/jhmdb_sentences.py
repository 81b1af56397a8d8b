"""JHMDB-Sentences (Gavrilyuk et al., CVPR 2018; the frames that MTTR, CVPR 2022, froze), as it lies on disk.

ROOT/jhmdb_sentences_samples_metadata.json             the frozen samples: [video, picture, mat, frames, text]
ROOT/Rename_Images/<action>/<video>/<frame>.png        frames count from 1, five digits
ROOT/puppet_mask/<action>/<video>/puppet_mask.mat      `part_mask` (H, W, T), the actor

The official list has 2,784 samples: three frames of each of 928 videos, one after the other and in order of time, with
one text a video. Its paths begin with "./jhmdb_sentences/", which is ROOT. "frames" may be fewer than there are
pictures, for the last ones of some videos have no mask: a video ends there, as it does for the reference.
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
from rvos.data.records import Expression, VideoRecord, pictures

_HOME = "jhmdb_sentences"
_ACTOR = "1"
"""The only object of a mat file: its pixels are 1."""


@dataclass(frozen=True)
class JhmdbSentences(VideoDataset):
    """One expression per distinct text of a video, its id the position among them.

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
        videos = tuple(_record(root, video_id, own) for video_id, own in samples.items())
        return cls(root, split, videos, mats={video_id: root / own[0].mat for video_id, own in samples.items()})

    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        return (self.mats[video.video_id],)

    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        path = self.mats[video.video_id]
        masks = _read_masks(path)
        for position in expression.scored or ():
            if position >= masks.shape[2]:
                raise DataError(
                    f"{path}: expected a mask of frame {position + 1}, got {masks.shape[2]} masks: fetch it again"
                )
            yield masks[:, :, position] != 0


@dataclass(frozen=True)
class _Sample:
    """One entry of the list. folder, mat: below ROOT; position: 0-based, of the frame; length: frames of the video."""

    video_id: str
    folder: PurePosixPath
    position: int
    mat: PurePosixPath
    length: int
    text: str


def _samples(path: Path) -> Iterator[_Sample]:
    document = read_json(path)
    if not isinstance(document, list):
        raise DataError(f"{path}: expected the frozen list of samples, got no list: is it the right file?")
    for number, entry in enumerate(document):
        yield _sample(f"{path}, entry {number}", entry)


def _sample(where: str, entry: Any) -> _Sample:
    kinds = [type(value) for value in entry] if isinstance(entry, list) else []
    if kinds != [str, str, str, int, str]:
        raise DataError(f"{where}: expected [video, picture, mat, frames, text], got {str(entry)[:80]}")
    video_id, picture, mat, length, text = entry
    picture, mat = _below_root(where, picture), _below_root(where, mat)
    if not re.fullmatch("[0-9]{1,9}", picture.stem) or not 1 <= int(picture.stem) <= length:
        raise DataError(f"{where}: expected a picture from 00001.png to {length:05d}.png, got '{picture.name[:60]}'")
    return _Sample(video_id, picture.parent, int(picture.stem) - 1, mat, length, " ".join(text.split()))


def _below_root(where: str, name: str) -> PurePosixPath:
    """The path without the "./jhmdb_sentences/" that it begins with."""
    path = PurePosixPath(name)
    parts = path.parts[1:] if path.parts[:1] == (_HOME,) else path.parts
    if path.is_absolute() or ".." in parts or not parts:
        raise DataError(f"{where}: expected a path inside './{_HOME}/', got '{name}': correct the list")
    return PurePosixPath(*parts)


def _record(root: Path, video_id: str, samples: list[_Sample]) -> VideoRecord:
    first = samples[0]
    scored: dict[str, set[int]] = {}
    for sample in samples:
        scored.setdefault(sample.text, set()).add(sample.position)
    # Named by the list's count and not by what the folder holds: a picture that is missing is missed when it is opened.
    names = tuple(f"{number:05d}" for number in range(1, first.length + 1))
    expressions = tuple(
        Expression(str(index), text, (_ACTOR,), tuple(sorted(positions)))
        for index, (text, positions) in enumerate(scored.items())
    )
    return VideoRecord(video_id, pictures(root / first.folder, names, ".png"), names, expressions)


def _read_masks(path: Path) -> np.ndarray:
    """(H, W, T), zero where the actor is not."""
    import scipy.io
    from scipy.io.matlab import MatReadError

    try:
        masks = scipy.io.loadmat(str(path), variable_names=["part_mask"]).get("part_mask")
    except FileNotFoundError as error:
        raise DataError(f"{path}: annotation not there: fetch it, or leave its video out") from error
    # scipy has no one error for a damaged file; these are what its parts raise, NotImplementedError for a later format.
    except (OSError, ValueError, TypeError, IndexError, NotImplementedError, zlib.error, MatReadError) as error:
        raise DataError(f"{path}: not a mat file that can be read: fetch it again") from error
    if not isinstance(masks, np.ndarray) or masks.ndim != 3:
        raise DataError(f"{path}: expected 'part_mask' (H, W, T), got none: is it the right file?")
    return masks
