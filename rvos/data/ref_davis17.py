"""Ref-DAVIS17 (Khoreva et al., ACCV 2018) in the layout that most projects convert it to, see `prepare_davis`.

ROOT/meta_expressions/<split>/meta_expressions.json   expressions and frames
ROOT/<split>/JPEGImages/<video>/<frame>.jpg
ROOT/<split>/Annotations/<video>/<frame>.png          indexed colour: 0 background, object ids, 255 void

Every object has four expressions: expression 4 n + k is the k-th of the n-th object, both from 0; objects are sorted by
their ids as strings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from image_core.errors import DataError
from rvos.data.base import VideoDataset, read_id_map
from rvos.data.listing import object_ids_of, read_listing, records_of, text_of
from rvos.data.protocol import IdMapFolders, IdMapTruth, MaskFolders, Protocol
from rvos.data.records import Expression, VideoRecord, frame_paths

ANNOTATORS = ("annot1", "annot1_full_video", "annot2", "annot2_full_video")
"""Who wrote the k-th expression of an object, having seen the first frame or the full video."""

_PROTOCOL_A = Protocol(
    text="A: the expressions of an annotator in one id map, unsupervised task, mean of four annotators",
    verified=True,
    evidence="yes, to 1e-6",
    layout=IdMapFolders(tuple(f"anno_{k}" for k in range(len(ANNOTATORS)))),
    name="A",
)
_PROTOCOL_B = Protocol(
    text="B: J and F of each expression's own mask, mean over expressions",
    verified=True,
    evidence="J and F to 1e-6; the mean is the plain one",
    layout=MaskFolders("expressions"),
    name="B",
    figure="J&F by protocol B",
)


@dataclass(frozen=True)
class RefDavis17(VideoDataset):
    """The truth of an expression is the mask of its object, in which void pixels are background; in `id_maps` they are
    255."""

    name: ClassVar[str] = "ref_davis17"
    title: ClassVar[str] = "Ref-DAVIS17"
    splits: ClassVar[tuple[str, ...]] = ("valid", "train")
    protocols: ClassVar[tuple[Protocol, ...]] = (_PROTOCOL_B, _PROTOCOL_A)
    files_note: ClassVar[str] = "made from the DAVIS download by `tools/prepare_ref_davis17.py`"

    @classmethod
    def read(cls, root: Path, split: str | None = None) -> RefDavis17:
        split = cls.check_split(split)
        index = root / "meta_expressions" / split / "meta_expressions.json"
        if not index.is_file() and (root / "DAVIS").is_dir():
            raise DataError(
                f"{root}: expected Ref-DAVIS17, got the original DAVIS: convert it with tools/prepare_ref_davis17.py"
            )

        def build_expression(video_id: str, expression_id: str, row: dict[str, Any]) -> Expression:
            number = _number(index, video_id, expression_id)
            return Expression(
                expression_id=expression_id,
                text=text_of(index, row),
                object_ids=object_ids_of(index, row),
                labels={"annotator": ANNOTATORS[number % len(ANNOTATORS)]},
            )

        return cls(root, split, records_of(index, read_listing(index), root / split / "JPEGImages", build_expression))

    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        return frame_paths(self.root / self.split / "Annotations" / video.video_id, video.frame_names, ".png")

    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        if not expression.object_ids:
            raise DataError(
                f"{self.name}, video '{video.video_id}', expression '{expression.expression_id}': no obj_id in the "
                f"metadata of '{self.split}': convert the dataset again with tools/prepare_ref_davis17.py"
            )
        object_ids = [int(i) for i in expression.object_ids]
        for ids in self.id_maps(video):
            yield np.isin(ids, object_ids)

    def id_maps(self, video: VideoRecord) -> Iterator[np.ndarray]:
        """Yield (H, W) uint8 for every frame in order: object ids, 0 background, 255 void. Raises `DataError`."""
        for path in self.truth_files(video):
            yield read_id_map(path)

    def id_truth(self) -> IdMapTruth:
        return IdMapTruth(_PROTOCOL_A, self.annotators, self.id_maps)

    def annotators(self, video: VideoRecord) -> tuple[tuple[Expression, ...], ...]:
        """The expressions of a video by annotator, in the order of `ANNOTATORS`: one for each object, in order.

        Raises `DataError` where an object does not have four expressions.
        """
        ordered = sorted(video.expressions, key=lambda e: int(e.expression_id))
        if [int(e.expression_id) for e in ordered] != list(range(len(ordered))) or len(ordered) % len(ANNOTATORS):
            raise DataError(
                f"{self.name}, video '{video.video_id}': expected the expressions 0, 1, 2, ..., four for each object, "
                f"got {[e.expression_id for e in ordered]}: convert the dataset again"
            )
        return tuple(tuple(ordered[k :: len(ANNOTATORS)]) for k in range(len(ANNOTATORS)))


def _number(index: Path, video_id: str, expression_id: str) -> int:
    if not (expression_id.isascii() and expression_id.isdigit()):
        raise DataError(
            f"{index}, video '{video_id}': expected a number as expression id, got '{expression_id}': correct it"
        )
    return int(expression_id)
