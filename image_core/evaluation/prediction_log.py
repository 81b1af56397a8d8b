"""`predictions.jsonl`: the answers of a model, image by image, with the masks of every protocol.

A line an image: `sample_id`, and for each expression its text (`expression`), `presence`, `score`, `rle` (the mask at
the image's own size) and `planes` (plane -> the mask there, where a protocol compares elsewhere), all before the
presence gate. Logits are too large to keep, and a mask cannot be resized into that of another plane: so all are made
when predicting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from image_core.answer import MaskAnswer
from image_core.evaluation.protocols import Plane, predicted_mask
from image_core.files import output_errors
from image_core.geometry.rle import decode_rle, encode_rle
from image_core.json_lines import append_lines, cut_torn_line, read_lines
from image_core.sample import ImageSample

_NATIVE: Plane = "native"


@dataclass(frozen=True)
class LoggedAnswer:
    """What one expression was answered, before the presence gate."""

    presence: float  #: [0, 1]
    score: float  #: [0, 1]
    masks: Mapping[Plane, np.ndarray]  #: plane -> bool mask there, `native` always among them

    @classmethod
    def of(cls, answer: MaskAnswer, size: tuple[int, int], planes: Sequence[Plane]) -> LoggedAnswer:
        """A model's answer on these planes, and at the image's own size (height, width)."""
        log_odds = answer.log_odds(size)
        wanted: tuple[Plane, ...] = (_NATIVE, *planes)
        masks: dict[Plane, np.ndarray] = {p: predicted_mask(log_odds, p) for p in wanted}
        return cls(answer.presence, answer.score, masks)

    @classmethod
    def read(cls, row: dict[str, Any]) -> LoggedAnswer:
        """The inverse of `row`."""
        rles: dict[Plane, dict[str, Any]] = {_NATIVE: row["rle"], **row.get("planes", {})}
        masks: dict[Plane, np.ndarray] = {plane: decode_rle(rle) for plane, rle in rles.items()}
        return cls(row["presence"], row["score"], masks)

    def row(self) -> dict[str, Any]:
        """As JSON values."""
        rles = {plane: encode_rle(mask) for plane, mask in self.masks.items()}
        native = rles.pop(_NATIVE)
        return {"presence": self.presence, "score": self.score, "rle": native} | ({"planes": rles} if rles else {})

    @property
    def present(self) -> bool:
        """A target is judged to be there."""
        return self.presence >= 0.5

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool at the image's own size, all False where the target is judged absent."""
        return self.masks[_NATIVE] & self.present


class PredictionLog:
    """The file, which is appended to; a torn last line is removed. Raises `OutputError` if it cannot be read or
    written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        cut_torn_line(path)
        with output_errors(path):
            self._lines = dict(read_lines(path, _parsed, "remove the line: it is made again"))

    def find(self, sample: ImageSample) -> list[LoggedAnswer] | None:
        """The logged answers to exactly these expressions of this image, or None."""
        rows = self._lines.get(sample.sample_id)
        if rows is None or [row["expression"] for row in rows] != list(sample.expressions):
            return None
        return [LoggedAnswer.read(row) for row in rows]

    def append(self, sample: ImageSample, answers: Sequence[LoggedAnswer]) -> None:
        """Write one image's answers. Raises `OutputError`."""
        rows = [
            {"expression": expression, **answer.row()}
            for expression, answer in zip(sample.expressions, answers, strict=True)
        ]
        self._lines[sample.sample_id] = rows
        append_lines(self.path, [{"sample_id": sample.sample_id, "predictions": rows}])


def _parsed(line: Any) -> tuple[str, list[dict[str, Any]]]:
    return line["sample_id"], line["predictions"]
