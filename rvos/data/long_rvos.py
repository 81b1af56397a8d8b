"""Long-RVOS (Liang et al., CVPR 2026), in the layout of its download.

ROOT/<split>/meta_expressions.json                    expressions with type and object id, and frames
ROOT/<split>/JPEGImages/<video>/<frame>.jpg
ROOT/<split>/Annotations/<video>/<object>/<frame>.png foreground 255; no file where the object is absent
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from image_core.errors import DataError
from rvos.data.base import VideoDataset, read_truth
from rvos.data.listing import image_size, read_listing, records_of, text_of
from rvos.data.protocol import OVER_EXPRESSIONS, Protocol
from rvos.data.records import Expression, VideoRecord, check_id, frame_paths


@dataclass(frozen=True)
class LongRvos(VideoDataset):
    """Expressions have the label `type`: static, dynamic or hybrid."""

    name: ClassVar[str] = "long_rvos"
    title: ClassVar[str] = "Long-RVOS"
    splits: ClassVar[tuple[str, ...]] = ("valid", "test", "train")
    protocols: ClassVar[tuple[Protocol, ...]] = (
        Protocol(
            text=f"{OVER_EXPRESSIONS} of all types; tIoU and vIoU beside",
            verified=True,
            evidence="rules by hand-computed tables",
            missing_is_empty=True,
        ),
    )

    @classmethod
    def read(cls, root: Path, split: str | None = None) -> LongRvos:
        split = cls.check_split(split)
        index = root / split / "meta_expressions.json"

        def build_expression(video_id: str, expression_id: str, row: dict[str, Any]) -> Expression:
            return _expression(index, expression_id, row)

        return cls(root, split, records_of(index, read_listing(index), root / split / "JPEGImages", build_expression))

    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        """The folders of the objects of the video: a missing image in one of them means that the object is absent."""
        annotations = self.root / self.split / "Annotations"
        object_ids = dict.fromkeys(i for e in video.expressions for i in e.object_ids)
        return tuple(annotations / video.video_id / i for i in object_ids) if annotations.is_dir() else ()

    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        if len(expression.object_ids) != 1:
            raise DataError(
                f"{self.name}, video '{video.video_id}', expression '{expression.expression_id}': no obj_id in the "
                f"metadata of '{self.split}': score a split that has truth"
            )
        folder = self.root / self.split / "Annotations" / video.video_id / expression.object_ids[0]
        # A single image may be missing, but not the folder: without it the object was not annotated or not unpacked.
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder of annotations: unpack the Annotations of '{self.split}'")
        paths = frame_paths(folder, video.frame_names, ".png")
        exists = [path.is_file() for path in paths]
        first = next((path for path, found in zip(paths, exists, strict=True) if found), None)
        size = image_size(video) if first is None else read_truth(first).values.shape
        for path, found in zip(paths, exists, strict=True):
            yield read_truth(path).binary() if found else np.zeros(size, bool)


def _expression(index: Path, expression_id: str, row: dict[str, Any]) -> Expression:
    object_ids = (str(row["obj_id"]),) if "obj_id" in row else ()
    for object_id in object_ids:
        check_id("object", object_id)
    labels = {"type": str(row["type"])} if "type" in row else {}
    return Expression(expression_id, text_of(index, row), object_ids, labels=labels)
