"""MeViS (Ding et al., ICCV 2023) and its second version, as their downloads lie on disk.

ROOT/<split>/JPEGImages/<video>/<frame>.jpg
ROOT/<split>/meta_expressions.json                    version 1: expressions, lists of objects and annotations, frames
ROOT/<split>/meta_expressions_v2.json                 version 2: more expressions, some of which mean nothing
ROOT/<split>/mask_dict.json                           train and valid_u: the masks, by annotation
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
from rvos.data.run_lengths import RunLengths

_FIRST = "meta_expressions.json"
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
    """`object_ids` of an expression are annotation ids; where there is truth, `target` is a label: none, one, many."""

    name: ClassVar[str] = "mevis"
    title: ClassVar[str] = "MeViS"
    splits: ClassVar[tuple[str, ...]] = ("valid_u", "valid", "train")
    protocols: ClassVar[tuple[Protocol, ...]] = (_RULES_V1, _RULES_V2)
    files_note: ClassVar[str] = "the second version's expressions where they are there"
    server: ClassVar[Server | None] = Server("valid")

    #: Files of the second version's expressions, the first that is there being read.
    newer: ClassVar[tuple[str, ...]] = ("meta_expressions_v2.json", "meta_expressions_v2_release.json")

    #: 1 or 2, of the file that the expressions come from.
    version: int = 1

    @classmethod
    def read(cls, root: Path, split: str | None = None) -> Mevis:
        """As the law says; the second version's expressions are taken where they are there."""
        split = cls.check_split(split)
        folder = root / split
        second = [folder / name for name in cls.newer if (folder / name).is_file()]
        index = second[0] if second else folder / _FIRST

        def describe(video_id: str, expression_id: str, row: dict[str, Any]) -> Expression:
            return _expression(index, expression_id, row)

        records = records_of(index, read_listing(index), folder / "JPEGImages", describe)
        notes = (f"sentences of version 2, from {index.name}",) if second else ()
        return cls(root, split, records, notes, 2 if second else 1)

    @property
    def rules(self) -> Protocol:
        return _RULES_V2 if self.version == 2 else _RULES_V1

    def summary(self, figures: Figures) -> dict[str, Any]:
        """Of version 2 also N-acc, T-acc and their mean with J&F, `Final`: it fits the published tables, and what the
        server makes it of could not be verified."""
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
    def _masks(self) -> RunLengths:
        return RunLengths.read(self._mask_file)


@dataclass(frozen=True)
class MevisV1(Mevis):
    """The first version's expressions, whatever else is there."""

    name: ClassVar[str] = "mevis_v1"
    title: ClassVar[str] = "MeViS, version 1"
    protocols: ClassVar[tuple[Protocol, ...]] = (_RULES_V1,)
    files_note: ClassVar[str] = "the first version's expressions whatever else is there"
    server: ClassVar[Server | None] = None
    newer: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def files(cls) -> tuple[str, ...]:
        """The entries of the tree but the second version's."""
        return tuple(name for name in super().files() if not name.endswith("_v2.json"))


def _expression(index: Path, expression_id: str, row: dict[str, Any]) -> Expression:
    text = text_of(index, row)
    if "anno_id" not in row:
        return Expression(expression_id, text)
    ids = ids_of(index, row["anno_id"])
    target = ("none", "one", "many")[min(len(ids), 2)]
    return Expression(expression_id, text, ids, labels={"target": target}, has_target=bool(ids))
