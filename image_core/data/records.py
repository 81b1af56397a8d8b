"""A row of a referring dataset's index: expressions, their image, and the segmentations of their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from image_core.errors import DataError
from image_core.geometry.contours import rasterise
from image_core.geometry.masks import nearest
from image_core.geometry.rle import decode_polygons, decode_rle

Part = Sequence[float] | Mapping[str, Any]
Segmentation = Sequence[Part] | Mapping[str, Any]
"""COCO's `segmentation`: polygons [x0, y0, x1, y1, ...] in pixels, run lengths, or a list of run lengths (RefCLEF)."""


@dataclass(frozen=True)
class ReferringExpression:
    """One expression of a reference."""

    expression_id: int  # unique in its dataset; REFER's `sent_id`
    text: str  # as written; REFER's `raw`
    family: str = ""  # "" where unknown


@dataclass(frozen=True)
class ReferringRecord:
    """One reference: a set of objects of one image (empty: no target) and all expressions that mean it."""

    ref_id: int | str  # a number; a text in PhraseCut
    split: str
    image_id: int
    image_path: Path
    size: tuple[int, int]  # (height, width) of the image, in whose pixels `segmentations` are
    expressions: tuple[ReferringExpression, ...]
    annotation_ids: tuple[int, ...]  # one an object
    segmentations: tuple[Segmentation, ...]  # one an object
    # corners of polygons are rounded down, and the outline belongs to the mask (PhraseCut); else COCO's rule
    outlined: bool = False
    # what the annotations hold and `segmentations` do not, since published readers leave it out; a phrase each
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.annotation_ids) != len(self.segmentations):
            raise ValueError(
                f"ReferringRecord.segmentations: expected {len(self.annotation_ids)}, one an annotation id, "
                f"got {len(self.segmentations)}"
            )

    def mask(self, size: tuple[int, int] | None = None) -> np.ndarray:
        """(H, W) bool: the union of all objects and of all their parts. Raises `DataError` on a broken segmentation.

        size: (height, width) to draw it at, in place of the image's own. Polygons are scaled and drawn there; run
        lengths can only be resized, by nearest neighbour.
        """
        size = size or self.size
        union = np.zeros(size, bool)
        for annotation_id, segmentation in zip(self.annotation_ids, self.segmentations, strict=True):
            where = f"annotation {annotation_id} of image {self.image_id}"
            try:
                part = self._part(segmentation, size)
            except ValueError as error:
                raise DataError(f"{where}: {error}") from error
            except (TypeError, OverflowError) as error:
                message = f"expected polygons or run lengths, got what cannot be read ({error})"
                raise DataError(f"{where}: {message}; fetch instances.json again") from error
            union |= part
        return union

    @property
    def polygons(self) -> int:
        """The number of polygons of the true mask; run lengths are none."""
        lists = (s for s in self.segmentations if not isinstance(s, Mapping))
        return sum(not isinstance(part, Mapping) for parts in lists for part in parts)

    def _part(self, segmentation: Segmentation, size: tuple[int, int]) -> np.ndarray:
        if not segmentation:
            raise ValueError("expected polygons or run lengths, got none, so that nothing is meant")
        if isinstance(segmentation, Mapping):
            return self._decoded(segmentation, size)
        rles = [part for part in segmentation if isinstance(part, Mapping)]
        polygons = [part for part in segmentation if not isinstance(part, Mapping)]
        if size != self.size:
            scale = size[1] / self.size[1], size[0] / self.size[0]
            polygons = [[number * scale[i % 2] for i, number in enumerate(polygon)] for polygon in polygons]
        if self.outlined:
            corners = [np.trunc(np.asarray(polygon, np.float64).reshape(-1, 2)) for polygon in polygons]
            return np.logical_or.reduce([rasterise([c], size) for c in corners])
        return np.logical_or.reduce([decode_polygons(polygons, size), *(self._decoded(rle, size) for rle in rles)])

    def _decoded(self, rle: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
        part = decode_rle(rle)
        if part.shape != self.size:
            raise ValueError(f"expected run lengths of the picture's {self.size}, got {part.shape}")
        return nearest(part, size)
