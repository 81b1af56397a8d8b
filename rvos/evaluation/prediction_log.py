"""`predictions.jsonl`: what a model answered, picture by picture, with the masks of every protocol.

A line a picture: `sample_id`, and for each sentence `expression`, `presence`, `score`, `rle` (the mask at the picture's
own size) and `planes` (plane -> the mask there, where a protocol compares elsewhere), all before the presence gate.
Logits are too large to keep, and a mask cannot be resized into that of another plane: so all are made when predicting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from image_core.answer import MaskAnswer
from image_core.files import output_errors
from image_core.geometry.rle import decode_rle, encode_rle
from image_core.protocols import Plane, predicted_mask
from image_core.types import ImageSample
from rvos.types import OutputError

_NATIVE: Plane = "native"


@dataclass(frozen=True)
class Answer:
    """What one sentence was answered. presence, score: [0, 1]; masks: plane -> bool mask, `native` always there."""

    presence: float
    score: float
    masks: Mapping[Plane, np.ndarray]

    @classmethod
    def of(cls, answer: MaskAnswer, size: tuple[int, int], planes: Sequence[Plane]) -> Answer:
        """A model's answer on these planes, and at the picture's own size (height, width)."""
        log_odds = answer.log_odds(size)
        wanted: tuple[Plane, ...] = (_NATIVE, *planes)
        masks: dict[Plane, np.ndarray] = {p: predicted_mask(log_odds, p) for p in wanted}
        return cls(answer.presence, answer.score, masks)

    @classmethod
    def read(cls, row: dict[str, Any]) -> Answer:
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
    def mask(self) -> np.ndarray:
        """(H, W) bool: all False where the target is judged absent."""
        return self.masks[_NATIVE] & (self.presence >= 0.5)


class PredictionLog:
    """The file, growing; a line that a kill cut short goes. Raises `OutputError` where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[str, list[dict[str, Any]]] = {}
        if path.exists():
            with output_errors(path), path.open("r+b") as file:
                whole = file.read()
                end = whole.rfind(b"\n") + 1
                file.truncate(end)  # in place: a kill loses nothing that was whole
            for number, line in enumerate(whole[:end].splitlines(), 1):
                try:
                    row = json.loads(line)
                    self._lines[row["sample_id"]] = row["predictions"]
                except (ValueError, TypeError, KeyError) as error:
                    raise OutputError(f"{path}, line {number}: cannot be read; remove it: it is made again") from error

    def known(self, sample: ImageSample) -> list[Answer] | None:
        """What was answered to just these sentences of this picture, None where it was not."""
        rows = self._lines.get(sample.sample_id)
        if rows is None or [row["expression"] for row in rows] != list(sample.expressions):
            return None
        return [Answer.read(row) for row in rows]

    def append(self, sample: ImageSample, answers: Sequence[Answer]) -> None:
        """Write one picture's answers."""
        rows = [
            {"expression": expression, **answer.row()}
            for expression, answer in zip(sample.expressions, answers, strict=True)
        ]
        self._lines[sample.sample_id] = rows
        with output_errors(self.path), self.path.open("a") as file:
            file.write(json.dumps({"sample_id": sample.sample_id, "predictions": rows}) + "\n")
