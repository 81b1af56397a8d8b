"""Truth as COCO RLE: annotation id -> one mask for each frame of its video, null where the object is absent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from image_core.data.annotation_files import read_json
from image_core.errors import DataError
from image_core.geometry.rle import decode_rle
from rvos.data.listing import image_size
from rvos.data.records import VideoRecord


@dataclass(frozen=True)
class RleTruth:
    """path: the file, named in errors; rows: annotation id -> T RLE masks, None where the object is absent."""

    path: Path
    rows: dict[str, list[dict[str, Any] | None]]

    @classmethod
    def read(cls, path: Path) -> RleTruth:
        """Read `mask_dict.json`. Raises `DataError`."""
        rows = read_json(path)
        if not isinstance(rows, dict) or not all(isinstance(row, list) for row in rows.values()):
            raise DataError(f"{path}: expected lists of masks by annotation id, got none: is it the right file?")
        return cls(path, rows)

    def union(self, video: VideoRecord, annotation_ids: Sequence[str]) -> Iterator[np.ndarray]:
        """Yield (H, W) bool for every frame of a video: the union of the annotations. Raises `DataError`."""
        rows = [self._row(video, i) for i in annotation_ids]
        size = self._size(video, annotation_ids)
        for position in range(len(video.frame_names)):
            mask = np.zeros(size, bool)
            for row in rows:
                rle = row[position]
                if rle is not None:
                    mask |= self._decode_checked(video, rle, size)
            yield mask

    def _row(self, video: VideoRecord, annotation_id: str) -> list[dict[str, Any] | None]:
        row = self.rows.get(annotation_id)
        if row is None or len(row) != len(video.frame_names):
            got = "none" if row is None else f"{len(row)}"
            raise DataError(
                f"{self.path}: expected {len(video.frame_names)} masks for the annotation '{annotation_id}' of the "
                f"video '{video.video_id}', got {got}: is it the file of this split?"
            )
        return row

    def _size(self, video: VideoRecord, annotation_ids: Sequence[str]) -> tuple[int, int]:
        """(height, width) of the first mask of the annotations; if they have none, of the other annotations of the
        video, then of its images."""
        others = [i for e in video.expressions for i in e.object_ids if i in self.rows]
        for annotation_id in (*annotation_ids, *others):
            for rle in self.rows[annotation_id]:
                if rle is not None:
                    return self._decode(video, rle).shape
        return image_size(video)

    def _decode_checked(self, video: VideoRecord, rle: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
        mask = self._decode(video, rle)
        if mask.shape != size:
            raise DataError(
                f"{self.path}, video '{video.video_id}': expected masks of one size, got {size} and {mask.shape}: "
                "download it again"
            )
        return mask

    def _decode(self, video: VideoRecord, rle: dict[str, Any]) -> np.ndarray:
        try:
            return decode_rle(rle)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self.path}, video '{video.video_id}': {error}: download it again") from error
