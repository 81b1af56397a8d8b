"""What an evaluation leaves of each expression while it runs, and its folder: `records/<video>/<expression>.json`.

An expression is done when its record is there: written last and in one step, with the digest of the settings that it
was made with. So a killed run goes on where it stopped, shards of one run fill one folder, and what was made with other
settings is never taken for done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rvos.export.files import make_folder, write_atomic, write_json
from rvos.types import OutputError

SETTINGS = "settings.json"


@dataclass(frozen=True)
class ExpressionRecord:
    """scores, presence: [0, 1], one a frame; seconds: of wall time, the expression's share of its video's; rles: COCO
    run lengths by the position of the frame, where a dataset's predictions are no pictures."""

    frames: int
    scores: tuple[float, ...]
    presence: tuple[float, ...]
    seconds: float
    rles: dict[str, dict[str, Any]]


def digest_of(settings: dict[str, Any]) -> str:
    """SHA-256 of settings, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Records:
    """The records under one folder that were made with settings of one digest."""

    folder: Path
    digest: str

    def load(self, video_id: str, expression_id: str) -> ExpressionRecord | None:
        """None where the expression is not done, or was done with other settings."""
        path = self._path(video_id, expression_id)
        if not path.is_file():
            return None
        document = json.loads(path.read_bytes())
        if document.pop("settings_sha256") != self.digest:
            return None
        scores, presence = (tuple(document.pop(name)) for name in ("scores", "presence"))
        return ExpressionRecord(scores=scores, presence=presence, **document)

    def save(self, video_id: str, expression_id: str, record: ExpressionRecord) -> None:
        """The expression is done. Raises `OutputError`."""
        path = self._path(video_id, expression_id)
        make_folder(path.parent)
        write_atomic(path, json.dumps({"settings_sha256": self.digest, **asdict(record)}).encode())

    def _path(self, video_id: str, expression_id: str) -> Path:
        return self.folder / video_id / f"{expression_id}.json"


@contextmanager
def claimed(out: Path, settings: dict[str, Any], lock_name: str, overwrite: bool) -> Iterator[None]:
    """Own `out` for a run of these settings. Raises `OutputError`: in use, of another run, or not to be written."""
    make_folder(out)
    lock = FileLock(out / lock_name)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise OutputError(f"{out} is in use by another run: wait for it, or choose another --out") from error
    with lock:
        path = out / SETTINGS
        if path.is_file() and not overwrite:
            old = json.loads(path.read_bytes())
            differing = sorted(key for key in old.keys() | settings.keys() if old.get(key) != settings.get(key))
            if differing:
                what = ", ".join(differing)
                raise OutputError(f"{out} holds another run ({what} differ): pass --overwrite, or choose another --out")
        write_json(path, settings)
        yield
