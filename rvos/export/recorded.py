"""What a run found, read as often as it is asked for: what documents are written from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rvos.export.records import read_frames
from rvos.types import FrameRecord, Target, VideoInfo, VideoResult


@dataclass(frozen=True)
class Recorded:
    """T frames of E targets. Nothing of it is held in memory that its maker does not hold."""

    info: VideoInfo
    targets: tuple[Target, ...]
    #: T, the frames that were watched.
    frame_count: int
    #: A fresh pass over the frames, each with its E records.
    read: Callable[[], Iterator[Sequence[FrameRecord]]]

    @classmethod
    def of_log(cls, path: Path, frame_count: int, info: VideoInfo, targets: Sequence[Target]) -> Recorded:
        """The first `frame_count` frames of a `frames.jsonl`, which holds as many."""

        def read() -> Iterator[Sequence[FrameRecord]]:
            for (records, _), _ in zip(read_frames(path, targets), range(frame_count), strict=False):
                yield records

        return cls(info, tuple(targets), frame_count, read)

    @classmethod
    def of(cls, result: VideoResult) -> Recorded:
        """What `VideoSegmenter.segment` gave."""
        many = len(result.targets)

        def read() -> Iterator[Sequence[FrameRecord]]:
            return (result.records[i * many : (i + 1) * many] for i in range(result.frame_count))

        return cls(result.info, result.targets, result.frame_count, read)

    @property
    def name(self) -> str:
        """The video's, without folder and ending."""
        return Path(self.info.source).stem or "video"

    @property
    def last_frame_index(self) -> int:
        """The index in the source of the last frame that was watched, -1 without any."""
        last = -1
        for records in self.read():
            last = records[0].frame_index
        return last
