"""What an evaluation leaves of each expression while it runs, and its folder: `records/<video>/<expression>.json`.

An expression is done when its record is there: written last and in one step, with the digest of the settings that it
was made with. So a killed run goes on where it stopped, shards of one run fill one folder, and what was made with other
settings is never taken for done.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rvos.data.records import Expression, VideoRecord
from rvos.export.files import make_folder, write_atomic


@dataclass(frozen=True)
class ExpressionRecord:
    """sentence: what was asked; scores: [0, 1], one a frame; seconds: of wall time, the expression's share of its
    video's; rles: COCO run lengths by the position of the frame, where a dataset's predictions are no pictures."""

    sentence: str
    scores: tuple[float, ...]
    seconds: float
    rles: dict[str, dict[str, Any]]

    @property
    def frames(self) -> int:
        """How many were watched."""
        return len(self.scores)


def digest_of(settings: dict[str, Any]) -> str:
    """SHA-256 of settings, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Records:
    """The records under one folder that were made with settings of one digest."""

    folder: Path
    digest: str

    def load(self, video: VideoRecord, expression: Expression) -> ExpressionRecord | None:
        """None where it is not done: there is no whole record, or one of other settings, another
        sentence, or another number of frames."""
        path = self._path(video, expression)
        try:
            document = json.loads(path.read_bytes())
            if document.pop("settings_sha256") != self.digest or document["sentence"] != expression.text:
                return None
            record = ExpressionRecord(scores=tuple(document.pop("scores")), **document)
        except (FileNotFoundError, json.JSONDecodeError, AttributeError, KeyError, TypeError):
            return None
        return record if record.frames == len(video.frame_names) or not video.frame_names else None

    def save(self, video: VideoRecord, expression: Expression, record: ExpressionRecord) -> None:
        """The expression is done. Raises `OutputError`."""
        path = self._path(video, expression)
        make_folder(path.parent)
        write_atomic(path, json.dumps({"settings_sha256": self.digest, **asdict(record)}).encode())

    def forget(self, videos: Sequence[VideoRecord]) -> None:
        """Nothing of these videos is done."""
        for video in videos:
            shutil.rmtree(self.folder / video.video_id, ignore_errors=True)

    def _path(self, video: VideoRecord, expression: Expression) -> Path:
        return self.folder / video.video_id / f"{expression.expression_id}.json"
