"""`result.json`: what a finished run found, without a figure that another run of the same would not repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rvos.export.records import mask_area, rounded
from rvos.types import FrameRecord, VideoInfo

FORMAT_VERSION = 1


class Summary:
    """Means over a video, gathered record by record.

    Built from records, not results, so that a run that was continued adds up the very same figures.
    """

    def __init__(self, expression_count: int) -> None:
        self._records = [0] * expression_count
        self._present = [0] * expression_count
        self._score = [0.0] * expression_count
        self._area_px = [0] * expression_count

    def add(self, records: Sequence[FrameRecord]) -> None:
        """Take in the records of one frame."""
        for record in records:
            e = record.expression_index
            self._records[e] += 1
            if record.present:
                self._present[e] += 1
                self._score[e] += record.score
                self._area_px[e] += mask_area(record.rle)

    def document(self) -> dict[str, Any]:
        """Frames, and per expression: frames present, mean score and mean area (pixels) over those frames, or None."""
        per_expression = [
            {
                "frames_present": present,
                "mean_score": rounded(score / present) if present else None,
                "mean_area_px": rounded(area / present) if present else None,
            }
            for present, score, area in zip(self._present, self._score, self._area_px, strict=True)
        ]
        return {"frames": max(self._records, default=0), "per_expression": per_expression}


def result_document(
    info: VideoInfo,
    settings: dict[str, Any],
    expressions: Sequence[str],
    unseen_words: Sequence[str],
    summary: Summary,
) -> dict[str, Any]:
    """The content of `result.json`. `unseen_words`: words of the expressions that the model was never trained on."""
    return {
        "format_version": FORMAT_VERSION,
        "video": {**asdict(info), "size": list(info.size)},
        "settings": settings,
        "expressions": list(expressions),
        "unseen_words": list(unseen_words),
        "summary": summary.document(),
    }
