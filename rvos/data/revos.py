"""ReVOS (Yan et al., "VISA", ECCV 2024), in the layout of its download.

ROOT/meta_expressions_<split>_.json   expressions with type and lists of annotation ids, and frames
ROOT/JPEGImages/<video>/<frame>.jpg   the ids of videos are paths: nested folders
ROOT/mask_dict.json                   the masks of all splits, by annotation id
ROOT/mask_dict_foreground.json        all foreground of each video; needed for the robustness score only
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from image_core.errors import DataError
from rvos.data.base import VideoDataset
from rvos.data.listing import ids_of, read_listing, records_of, text_of
from rvos.data.protocol import OVER_EXPRESSIONS, Figures, Protocol
from rvos.data.records import Expression, VideoRecord
from rvos.data.rle_truth import RleTruth

TYPES = ("referring", "reasoning", "hallucination")
"""Names by `type_id`; hallucination: the expression has no target in the video."""


@dataclass(frozen=True)
class Revos(VideoDataset):
    """`object_ids` of an expression are annotation ids; the label `type` is one of `TYPES`."""

    name: ClassVar[str] = "revos"
    title: ClassVar[str] = "ReVOS"
    splits: ClassVar[tuple[str, ...]] = ("valid", "train")
    protocols: ClassVar[tuple[Protocol, ...]] = (
        Protocol(text=f"{OVER_EXPRESSIONS}; overall = (referring + reasoning) / 2", verified=False, evidence="no"),
    )

    @classmethod
    def read(cls, root: Path, split: str | None = None) -> Revos:
        split = cls.check_split(split)
        index = root / f"meta_expressions_{split}_.json"

        def build_expression(video_id: str, expression_id: str, row: dict[str, Any]) -> Expression:
            return _expression(index, video_id, expression_id, row)

        listed = read_listing(index)
        records = records_of(index, listed, root / "JPEGImages", build_expression)
        nested = sum("/" in video_id for video_id in listed)
        notes = (f"{nested} ids of videos are paths: a slash is written as '__'",) if nested else ()
        return cls(root, split, records, notes)

    def summary(self, figures: Figures) -> dict[str, Any]:
        """Adds "overall_J&F", the mean of the first two types, None where one of them has no expression."""
        types = figures.by.get("type", {})
        scores = [types[name]["J&F"] for name in TYPES[:2] if name in types]
        return {**figures.means, "overall_J&F": sum(scores) / 2 if len(scores) == 2 else None}

    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        return (self.root / "mask_dict.json",)

    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        yield from self._masks.union(video, expression.object_ids)

    @cached_property
    def _masks(self) -> RleTruth:
        return RleTruth.read(self.root / "mask_dict.json")


def _expression(index: Path, video_id: str, expression_id: str, row: dict[str, Any]) -> Expression:
    type_id = row.get("type_id")
    if "anno_id" not in row or not isinstance(type_id, int) or type_id not in range(len(TYPES)):
        raise DataError(
            f"{index}, video '{video_id}', expression '{expression_id}': expected a list as anno_id and 0, 1 or 2 "
            f"as type_id, got {row.get('anno_id')!r} and {type_id!r}: is it the right file?"
        )
    ids = ids_of(index, row["anno_id"])
    label = TYPES[type_id]
    return Expression(
        expression_id, text_of(index, row), ids, labels={"type": label}, has_target=label != "hallucination"
    )
