"""Rows on disk, appended as they are made, so that a killed run continues where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rvos.types import OutputError

Row = dict[str, Any]


class Rows:
    """`<folder>/<digest of the settings>/<name>.jsonl`: the settings, then a row a line. Other settings, another file.

    Used by one run at a time: `with Rows(...) as rows`. Raises `OutputError` where another run has it.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        self.path = folder / digest[:12] / f"{name}.jsonl"
        self.rows: list[Row] = []
        self._first = {**settings, "sha256": digest}
        self._lock = FileLock(self.path.with_suffix(".lock"), timeout=0)

    def __enter__(self) -> Rows:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise OutputError(f"{self.path}: another run is writing it; wait until it ends") from error
        if self.path.exists():
            whole = self.path.read_bytes()
            kept = whole[: whole.rfind(b"\n") + 1]
            os.truncate(self.path, len(kept))  # a kill may have torn the last line
            self.rows = [json.loads(line) for line in kept.splitlines()[1:]]
        if not self.path.exists() or not self.path.stat().st_size:
            self._write([self._first])
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def append(self, rows: Sequence[Row]) -> None:
        """More rows, on the disk when this returns."""
        self._write(rows)
        self.rows += rows

    def _write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
            file.flush()
            os.fsync(file.fileno())
