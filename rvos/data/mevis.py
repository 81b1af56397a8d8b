"""MeViS (Ding et al., ICCV 2023) and MeViS v2, in the layout of their downloads.

ROOT/<split>/JPEGImages/<video>/<frame>.jpg
ROOT/<split>/meta_expressions.json                    version 1: expressions, lists of object and annotation ids, frames
ROOT/<split>/meta_expressions_v2.json                 version 2: more expressions, some without a target
ROOT/<split>/mask_dict.json                           train and valid_u: the masks, by annotation id
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
from rvos.data.protocol import OVER_EXPRESSIONS, Figures, Protocol, Server
from rvos.data.records import Expression, VideoRecord
from rvos.data.rle_truth import RleTruth

_V1_FILE = "meta_expressions.json"
_UNION = f"{OVER_EXPRESSIONS}, against the union of the targets; a missing one is 0"
_RULES_V1 = Protocol(text=_UNION, verified=True, evidence="yes, to 1e-6", name="version 1")
_RULES_V2 = Protocol(
    text=f"{_UNION}; sentences without target left to N-acc, which the server may do otherwise",
    verified=False,
    evidence="no: whether the server's J&F leaves out expressions without target, and what `Final` is made of, could "
    "not be checked",
    name="version 2",
)


@dataclass(frozen=True)
class Mevis(VideoDataset):
    """`object_ids` of an expression are annotation ids. With truth, the label `target` is none, one or many."""

    name: ClassVar[str] = "mevis"
    title: ClassVar[str] = "MeViS"
    splits: ClassVar[tuple[str, ...]] = ("valid_u", "valid", "train")
    protocols: ClassVar[tuple[Protocol, ...]] = (_RULES_V1, _RULES_V2)
    files_note: ClassVar[str] = "the second version's expressions where they are there"
    server: ClassVar[Server | None] = Server("valid")

    #: Files with the expressions of version 2; the first that exists is read.
    v2_files: ClassVar[tuple[str, ...]] = ("meta_expressions_v2.json", "meta_expressions_v2_release.json")

    #: Version of the file that the expressions come from, 1 or 2.
    version: int = 1

    @classmethod
    def read(cls, root: Path, split: str | None = None) -> Mevis:
        """See `VideoDataset.read`; the expressions are those of version 2 if its file exists."""
        split = cls.check_split(split)
        folder = root / split
        v2_paths = [folder / name for name in cls.v2_files if (folder / name).is_file()]
        index = v2_paths[0] if v2_paths else folder / _V1_FILE

        def build_expression(video_id: str, expression_id: str, row: dict[str, Any]) -> Expression:
            return _expression(index, expression_id, row)

        records = records_of(index, read_listing(index), folder / "JPEGImages", build_expression)
        notes = (f"sentences of version 2, from {index.name}",) if v2_paths else ()
        return cls(root, split, records, notes, 2 if v2_paths else 1)

    @property
    def rules(self) -> Protocol:
        return _RULES_V2 if self.version == 2 else _RULES_V1

    def summary(self, figures: Figures) -> dict[str, Any]:
        """For version 2 also N-acc, T-acc, and `Final`, the mean of J&F, N-acc and T-acc: this agrees with the
        published tables, but how the server computes `Final` could not be verified."""
        if self.version == 1:
            return super().summary(figures)
        parts = [figures.means["J&F"], *figures.accuracies.values()]
        final = None if None in parts else sum(parts) / len(parts)
        return {**figures.means, **figures.accuracies, "Final": {"value": final, "verified": False}}

    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        path = self._mask_file
        return (path,) if path.is_file() or self.split != "valid" else ()

    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        if "target" not in expression.labels:
            raise DataError(
                f"{self.name}, video '{video.video_id}', expression '{expression.expression_id}': no anno_id in the "
                f"metadata of '{self.split}': score a split that has truth, such as {self.splits[0]}"
            )
        yield from self._masks.union(video, expression.object_ids)

    @property
    def _mask_file(self) -> Path:
        return self.root / self.split / "mask_dict.json"

    @cached_property
    def _masks(self) -> RleTruth:
        return RleTruth.read(self._mask_file)


@dataclass(frozen=True)
class MevisV1(Mevis):
    """The expressions of version 1, even if those of version 2 exist."""

    name: ClassVar[str] = "mevis_v1"
    title: ClassVar[str] = "MeViS, version 1"
    protocols: ClassVar[tuple[Protocol, ...]] = (_RULES_V1,)
    files_note: ClassVar[str] = "the first version's expressions whatever else is there"
    server: ClassVar[Server | None] = None
    v2_files: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def files(cls) -> tuple[str, ...]:
        """See `VideoDataset.files`; without the file of version 2."""
        return tuple(name for name in super().files() if not name.endswith("_v2.json"))


def _expression(index: Path, expression_id: str, row: dict[str, Any]) -> Expression:
    text = text_of(index, row)
    if "anno_id" not in row:
        return Expression(expression_id, text)
    ids = ids_of(index, row["anno_id"])
    target = ("none", "one", "many")[min(len(ids), 2)]
    return Expression(expression_id, text, ids, labels={"target": target}, has_target=bool(ids))
