"""Truth as COCO run lengths: annotation id -> one mask for each frame of its video, null where the object is absent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from image_core.data.annotation_files import read_json
from image_core.errors import DataError
from image_core.geometry.rle import decode_rle
from rvos.data.listing import picture_size
from rvos.data.records import VideoRecord


@dataclass(frozen=True)
class RunLengths:
    """path: the file, named in errors; rows: annotation id -> T run lengths, None where the object is absent."""

    path: Path
    rows: dict[str, list[dict[str, Any] | None]]

    @classmethod
    def read(cls, path: Path) -> RunLengths:
        """Read `mask_dict.json`. Raises `DataError`."""
        rows = read_json(path)
        if not isinstance(rows, dict) or not all(isinstance(row, list) for row in rows.values()):
            raise DataError(f"{path}: expected lists of masks by annotation, got none: is it the right file?")
        return cls(path, rows)

    def union(self, video: VideoRecord, annotation_ids: Sequence[str]) -> Iterator[np.ndarray]:
        """(H, W) bool for every frame of a video: what one of the annotations covers. Raises `DataError`."""
        rows = [self._row(video, i) for i in annotation_ids]
        size = self._size(video, annotation_ids)
        for position in range(len(video.frame_names)):
            mask = np.zeros(size, bool)
            for row in rows:
                runs = row[position]
                if runs is not None:
                    mask |= self._sized(video, runs, size)
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
        """(height, width) as the run lengths say; of the video's other annotations, then its pictures, where they are
        silent."""
        others = [i for e in video.expressions for i in e.object_ids if i in self.rows]
        for annotation_id in (*annotation_ids, *others):
            for runs in self.rows[annotation_id]:
                if runs is not None:
                    return self._decoded(video, runs).shape
        return picture_size(video)

    def _sized(self, video: VideoRecord, runs: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
        mask = self._decoded(video, runs)
        if mask.shape != size:
            raise DataError(
                f"{self.path}, video '{video.video_id}': expected masks of one size, got {size} and {mask.shape}"
            )
        return mask

    def _decoded(self, video: VideoRecord, runs: dict[str, Any]) -> np.ndarray:
        try:
            return decode_rle(runs)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self.path}, video '{video.video_id}': {error}: fetch it again") from error
