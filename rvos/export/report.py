"""`result.json`: the results of a finished run, without a figure that another run of the same would not repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from image_core.geometry.rle import rle_area
from rvos.export.records import rounded
from rvos.types import FrameRecord, Target, VideoInfo

FORMAT_VERSION = 1


class Summary:
    """Means over a video, gathered record by record.

    Built from records, not results, so that a run that was continued adds up the very same figures.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = tuple(targets)
        self._frames = 0
        self._present = [0] * len(self._targets)
        self._score = [0.0] * len(self._targets)
        self._area_px = [0] * len(self._targets)

    def add(self, records: Sequence[FrameRecord]) -> None:
        """Take in the records of one frame."""
        self._frames += 1
        for index, record in enumerate(records):
            if record.present:
                self._present[index] += 1
                self._score[index] += record.score
                self._area_px[index] += rle_area(record.rle)

    def document(self) -> dict[str, Any]:
        """Frames, and per expression or per object: frames present, mean score and mean area (pixels) over those
        frames, or None."""
        figures = [
            {
                "frames_present": present,
                "mean_score": rounded(score / present) if present else None,
                "mean_area_px": rounded(area / present) if present else None,
            }
            for present, score, area in zip(self._present, self._score, self._area_px, strict=True)
        ]
        ids = _object_ids(self._targets)
        if not ids:
            return {"frames": self._frames, "per_expression": figures}
        return {
            "frames": self._frames,
            "per_object": [{"object_id": i, **row} for i, row in zip(ids, figures, strict=True)],
        }


def result_document(
    info: VideoInfo,
    settings: dict[str, Any],
    targets: Sequence[Target],
    unseen_words: Sequence[str],
    summary: Summary,
    latency: int = 0,
    understood: Sequence[Mapping[str, Any]] | None = None,
    decided: Sequence[Mapping[str, Any] | None] | None = None,
) -> dict[str, Any]:
    """The content of `result.json`.

    unseen_words: words of the expressions that the model does not know; latency: how many of the frames that are read
    pass before a frame's result is there. In seconds it is known where the rate is and no frame is left out.
    understood: what the model took each expression to mean, JSON values; None where it does not tell. decided: how it
    was decided which tracks each expression means, with all that was asked and answered; None where nobody decided.
    """
    ids = _object_ids(targets)
    document = {
        "format_version": FORMAT_VERSION,
        "video": {**asdict(info), "size": list(info.size)},
        "settings": settings,
        "expressions": [] if ids else [target.name for target in targets],
        **({"objects": ids} if ids else {}),
        "unseen_words": list(unseen_words),
        **({} if understood is None else {"understood": [dict(meaning) for meaning in understood]}),
        **({} if decided is None else {"decided": [None if one is None else dict(one) for one in decided]}),
        "summary": summary.document(),
    }
    if latency:
        rate = info.rate if settings["sampling"] == "all" else None
        document["latency"] = {"frames": latency, "seconds": rounded(latency / rate) if rate else None}
    return document


def _object_ids(targets: Sequence[Target]) -> list[int]:
    return [target.object_id for target in targets if target.object_id is not None]
