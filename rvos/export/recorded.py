"""The recorded results of a run, which can be read several times. Documents are written from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rvos.export.records import read_frames
from rvos.types import FrameRecord, Target, VideoInfo, VideoResult


@dataclass(frozen=True)
class Recorded:
    """The records of T frames and E targets. They are read from their source each time, and not kept in memory."""

    info: VideoInfo
    targets: tuple[Target, ...]
    #: T, the number of processed frames.
    frame_count: int
    #: Returns a new iterator over the frames, which gives the E records of each.
    read: Callable[[], Iterator[Sequence[FrameRecord]]]

    @classmethod
    def of_log(cls, path: Path, frame_count: int, info: VideoInfo, targets: Sequence[Target]) -> Recorded:
        """The first `frame_count` frames of a `frames.jsonl`, which must have at least as many."""

        def read() -> Iterator[Sequence[FrameRecord]]:
            for (records, _), _ in zip(read_frames(path, targets), range(frame_count), strict=False):
                yield records

        return cls(info, tuple(targets), frame_count, read)

    @classmethod
    def of(cls, result: VideoResult) -> Recorded:
        """The records of a result of `VideoSegmenter.segment`."""
        target_count = len(result.targets)

        def read() -> Iterator[Sequence[FrameRecord]]:
            return (result.records[i * target_count : (i + 1) * target_count] for i in range(result.frame_count))

        return cls(result.info, result.targets, result.frame_count, read)

    def only(self, indices: Sequence[int]) -> Recorded:
        """Only the targets at these positions, in this order, renumbered from 0."""
        targets = tuple(replace(self.targets[i], index=index) for index, i in enumerate(indices))

        def read() -> Iterator[Sequence[FrameRecord]]:
            for records in self.read():
                yield [replace(records[i], expression_index=index) for index, i in enumerate(indices)]

        return replace(self, targets=targets, read=read)

    @property
    def name(self) -> str:
        """The name of the video, without folder and suffix."""
        return Path(self.info.source).stem or "video"

    @property
    def last_frame_index(self) -> int:
        """The index in the source of the last processed frame, -1 if there is none."""
        last = -1
        for records in self.read():
            last = records[0].frame_index
        return last
