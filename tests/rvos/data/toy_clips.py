"""Toy clips, a dataset of a test: all that another dataset needs is such a file, and a row in the table.

ROOT/clips.json                                frames and expressions of each video
ROOT/<video>/<frame>.png
ROOT/<video>/<expression>/<frame>.png          truth, above 0
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from image_core.data.annotation_files import read_json
from rvos.data.base import VideoDataset, read_id_map
from rvos.data.protocol import Figures, MaskFolders, Protocol
from rvos.data.records import Expression, VideoRecord, frame_paths


@dataclass(frozen=True)
class ToyClips(VideoDataset):
    """Its summary has a figure that no other dataset has."""

    name: ClassVar[str] = "toy_clips"
    title: ClassVar[str] = "Toy Clips"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    protocols: ClassVar[tuple[Protocol, ...]] = (
        Protocol("J and F, as a toy has them", verified=False, evidence="no", layout=MaskFolders("toys")),
    )

    @classmethod
    def read(cls, root: Path, split: str | None = None) -> ToyClips:
        split = cls.check_split(split)
        videos = []
        for video_id, row in read_json(root / "clips.json").items():
            expressions = tuple(Expression(i, text) for i, text in row["expressions"].items())
            source = frame_paths(root / video_id, row["frames"], ".png")
            videos.append(VideoRecord(video_id, source, tuple(row["frames"]), expressions))
        return cls(root, split, tuple(videos))

    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        return tuple(path for e in video.expressions for path in self._files(video, e))

    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        yield from (read_id_map(path) > 0 for path in self._files(video, expression))

    def summary(self, figures: Figures) -> dict[str, Any]:
        return {**figures.means, "twice": 2 * figures.means["J&F"]}

    def _files(self, video: VideoRecord, expression: Expression) -> tuple[Path, ...]:
        return frame_paths(self.root / video.video_id / expression.expression_id, video.frame_names, ".png")
