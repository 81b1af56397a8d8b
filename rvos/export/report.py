"""`result.json`: the results of a finished run. Equal runs write equal files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from image_core.geometry.rle import rle_area
from rvos.export.records import rounded
from rvos.types import FrameRecord, Target, VideoInfo

FORMAT_VERSION = 1


class Summary:
    """Means over a video, computed record by record.

    It uses records and not results, so that a continued run computes exactly the same figures.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = tuple(targets)
        self._frames = 0
        self._present = [0] * len(self._targets)
        self._score = [0.0] * len(self._targets)
        self._area_px = [0] * len(self._targets)

    def add(self, records: Sequence[FrameRecord]) -> None:
        """Add the records of one frame."""
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

    unseen_words: words of the expressions that the model does not know; latency: how many frames at most pass
    before the results of a frame are ready; in seconds only if the rate is known and no frame is left out. understood:
    how the model understands each expression, as JSON values; None if it does not report this. decided: for each
    expression the decision which tracks it means, with the questions and answers of the decider; None if there was no
    decider.
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
        **(
            {}
            if decided is None
            else {"decided": [None if decision is None else dict(decision) for decision in decided]}
        ),
        "summary": summary.document(),
    }
    if latency:
        rate = info.rate if settings["sampling"] == "all" else None
        document["latency"] = {"frames": latency, "seconds": rounded(latency / rate) if rate else None}
    return document


def _object_ids(targets: Sequence[Target]) -> list[int]:
    return [target.object_id for target in targets if target.object_id is not None]
