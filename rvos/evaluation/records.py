"""What an evaluation writes for each expression while it runs: `records/<video>/<expression>.json`.

An expression is done when its record exists. The record is written last and atomically, with the digest of the
settings. So an interrupted run can be continued, shards of one run can write to one folder, and results of other
settings never count as done.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from image_core.entries import fingerprint
from image_core.files import make_folder, write_atomic
from rvos.data.records import Expression, VideoRecord


@dataclass(frozen=True)
class ExpressionRecord:
    """The results of one expression on the frames of its video."""

    #: Text of the expression.
    text: str
    #: Scores in [0, 1], one per frame.
    scores: tuple[float, ...]
    #: Wall time of the video, divided by the number of expressions that were predicted together.
    seconds: float
    #: COCO RLE by the position of the frame, if the predictions of the dataset are not PNGs.
    rles: dict[str, dict[str, Any]]

    @property
    def frames(self) -> int:
        """How many frames have a score."""
        return len(self.scores)


@dataclass(frozen=True)
class Records:
    """The records in one folder that were made with the settings of one digest."""

    folder: Path
    digest: str
    _fingerprints: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def load(self, video: VideoRecord, expression: Expression) -> ExpressionRecord | None:
        """The record of an expression. None if it is not done: it has no complete record, or one of other settings,
        another text, other files, or another number of frames."""
        path = self._path(video, expression)
        try:
            document = json.loads(path.read_bytes())
            text, scores = document.pop("sentence"), tuple(document.pop("scores"))
            same = document.pop("settings_sha256") == self.digest and text == expression.text
            if not same or document.pop("source_sha256") != self._fingerprint_of(video):
                return None
            record = ExpressionRecord(text, scores, **document)
        except (FileNotFoundError, json.JSONDecodeError, AttributeError, KeyError, TypeError):
            return None
        return record if record.frames == len(video.frame_names) or not video.frame_names else None

    def save(self, video: VideoRecord, expression: Expression, record: ExpressionRecord) -> None:
        """Write the record of an expression, which marks it as done. Raises `OutputError`."""
        path = self._path(video, expression)
        make_folder(path.parent)
        row = asdict(record)
        document = {"settings_sha256": self.digest, "source_sha256": self._fingerprint_of(video)}
        document |= {"sentence": row.pop("text"), **row}
        write_atomic(path, json.dumps(document).encode())

    def forget(self, videos: Sequence[VideoRecord]) -> None:
        """Remove the records of these videos."""
        for video in videos:
            shutil.rmtree(self.folder / video.video_id, ignore_errors=True)

    def _fingerprint_of(self, video: VideoRecord) -> str:
        """A fingerprint of the files of the video, which changes if they are replaced. It is computed once, because
        there may be a hundred thousand files."""
        if video.video_id not in self._fingerprints:
            paths = [video.source] if isinstance(video.source, Path) else video.source
            self._fingerprints[video.video_id] = fingerprint(paths, times=False)
        return self._fingerprints[video.video_id]

    def _path(self, video: VideoRecord, expression: Expression) -> Path:
        return self.folder / video.video_id / f"{expression.expression_id}.json"
