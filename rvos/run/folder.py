"""The folder of a run: who may write into it, what an earlier run left there, and from where that can be continued."""

from __future__ import annotations

import json
import logging
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from rvos.export import paths
from rvos.export.files import make_folder, output_errors, write_atomic, write_json
from rvos.export.records import FrameLog, count_frames, read_frames, to_record, truncate_frames
from rvos.types import FrameRecord, FrameResult, OutputError, Target

_LOG = logging.getLogger(__name__)
_KIND = "rvos run"
_VERSION = 1
_SNAPSHOT_HEADER = struct.Struct("<8sQI")
_SNAPSHOT_MAGIC = b"rvossnp1"


class RunDirectory:
    """DIR of one run, owned while it is entered.

    `settings` is everything that the results depend on, JSON values only; `targets` are the E targets that it names.
    The same settings continue what is there, others are refused, unless `overwrite`, which clears what a run of ours
    wrote and nothing else.

    Entering raises `OutputError`: DIR cannot be written, is in use, holds another run, or holds files of no run.
    After it, `finished` tells that there is nothing to do, else `frames_done` frames need not be computed again.
    """

    def __init__(
        self, path: Path | str, settings: dict[str, Any], targets: Sequence[Target], overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self.finished = False
        self.frames_done = 0
        self._settings: dict[str, Any] = json.loads(json.dumps(settings, sort_keys=True, allow_nan=False))
        self._targets = tuple(targets)
        self._overwrite = overwrite
        self._lock = FileLock(self.path / paths.LOCK)
        self._log: FrameLog | None = None
        self._frames_logged = 0

    def __enter__(self) -> RunDirectory:
        self._make()
        self._refuse_foreign()
        self._take_lock()
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._log is not None:
                self._log.close()
        finally:
            self._lock.release()

    @property
    def frames_log(self) -> Path:
        """The path of `frames.jsonl`."""
        return self.path / paths.FRAMES_LOG

    def frames(self) -> Iterator[list[FrameRecord]]:
        """The E records of each of the first `frames_done` frames, read as they are asked for."""
        found = read_frames(self.frames_log, self._targets)
        return (records for (records, _), _ in zip(found, range(self.frames_done), strict=False))

    def append(self, results: Sequence[FrameResult]) -> list[FrameRecord]:
        """Log the next frame's E results and give them as records.

        Frame indices increase, with gaps where not every frame is looked at. Raises `OutputError`, and `ValueError`
        when a target comes out of turn.
        """
        came = [(result.frame_index, result.expression_index, result.object_id) for result in results]
        wanted = [(results[0].frame_index, target.index, target.object_id) for target in self._targets]
        if came != wanted:
            raise ValueError(f"RunDirectory.append: came (frame, index, object) {came}, wanted {wanted}")
        if self._log is None:
            self._log = FrameLog(self.frames_log)
        records = [to_record(result) for result in results]
        self._log.append(records)
        self._frames_logged += 1
        return records

    def save_snapshot(self, frames_logged: int, payload: bytes) -> None:
        """Keep the state in which `frames_logged` frames have their results; it replaces the one before, atomically.

        That many frames must be in the log: else `ValueError`. Raises `OutputError`.
        """
        if frames_logged != self._frames_logged:
            raise ValueError(f"RunDirectory.save_snapshot: came {frames_logged} frames, wanted {self._frames_logged}")
        header = _SNAPSHOT_HEADER.pack(_SNAPSHOT_MAGIC, frames_logged, zlib.crc32(payload))
        write_atomic(self.path / paths.SNAPSHOT, header + payload)

    def load_snapshot(self) -> tuple[int, bytes] | None:
        """How many frames have their results, and the state then; None where there is none, or none that is whole."""
        path = self.path / paths.SNAPSHOT
        if not path.is_file():
            return None
        data = path.read_bytes()
        if len(data) < _SNAPSHOT_HEADER.size:
            return None
        magic, frames_logged, checksum = _SNAPSHOT_HEADER.unpack_from(data)
        payload = data[_SNAPSHOT_HEADER.size :]
        if magic != _SNAPSHOT_MAGIC or zlib.crc32(payload) != checksum:
            return None
        return frames_logged, payload

    def finish(self, result: dict[str, Any], timing: dict[str, Any]) -> list[Path]:
        """Write `timing.json`, then `result.json`, whose presence says that the run is done. Raises `OutputError`."""
        timing_path, result_path = self.path / paths.TIMING, self.path / paths.RESULT
        write_json(timing_path, timing)
        write_json(result_path, result)
        self.finished = True
        with output_errors(self.path):
            (self.path / paths.SNAPSHOT).unlink(missing_ok=True)
        return [self.frames_log, result_path, timing_path]

    def _make(self) -> None:
        with output_errors(self.path):
            is_file = self.path.exists() and not self.path.is_dir()
        if is_file:
            raise OutputError(f"{self.path} is a file, wanted a folder: choose another --out")
        make_folder(self.path)

    def _refuse_foreign(self) -> None:
        with output_errors(self.path):
            names = paths.foreign_names(self.path)
        if names and self._stored_settings() is None:
            raise OutputError(
                f"{self.path} is not empty and holds no run of rvos ('{names[0]}' is there): "
                "choose an empty or new folder as --out"
            )

    def _take_lock(self) -> None:
        with output_errors(self.path):
            try:
                self._lock.acquire(timeout=0)
            except Timeout as error:
                message = f"{self.path} is in use by another run: wait for its end or choose another --out"
                raise OutputError(message) from error

    def _open(self) -> None:
        stored = self._stored_settings()
        if stored is not None and self._overwrite:
            self._clear()
            stored = None
        if stored is None:
            write_json(self.path / paths.SETTINGS, {"kind": _KIND, "version": _VERSION, "settings": self._settings})
            return
        different = differing_keys(stored, self._settings)
        if different:
            raise OutputError(
                f"{self.path} holds another run (different: {', '.join(different)}): "
                "pass --overwrite to replace it, or choose another --out"
            )
        self.finished = (self.path / paths.RESULT).is_file()
        if not self.finished:
            self._rewind()
        self.frames_done = self._frames_logged = count_frames(self.frames_log, self._targets)

    def _rewind(self) -> None:
        """Cut the log back to the frame of the snapshot: only there is the state known."""
        snapshot = self.load_snapshot()
        logged = count_frames(self.frames_log, self._targets)
        kept = 0 if snapshot is None else snapshot[0]
        if kept > logged:
            _LOG.warning("%s: the log ends before the snapshot (%d < %d): starting anew", self.path, logged, kept)
            kept = 0
            (self.path / paths.SNAPSHOT).unlink()
        truncate_frames(self.frames_log, self._targets, kept)

    def _stored_settings(self) -> dict[str, Any] | None:
        """The settings of the run that lies here, or None where the file is not there or not ours."""
        try:
            document = json.loads((self.path / paths.SETTINGS).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        if not isinstance(document, dict) or document.get("kind") != _KIND:
            return None
        if document.get("version") != _VERSION:
            raise OutputError(
                f"{self.path} holds a run of format version {document.get('version')}, wanted {_VERSION}: "
                "choose another --out"
            )
        return document["settings"]

    def _clear(self) -> None:
        with output_errors(self.path):
            for file in list(paths.run_files(self.path)):
                file.unlink()
            folders = paths.picture_folders(self.path)
            for folder in [*folders, *{f.parent for f in folders if f.parent != self.path}]:
                if not any(folder.iterdir()):
                    folder.rmdir()


def differing_keys(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    """The dotted keys whose values differ, sorted; a key that only one has differs."""
    found: list[str] = []
    for key in sorted(one.keys() | other.keys()):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differing_keys(a, b, f"{prefix}{key}.")
        elif key not in one or key not in other or a != b:
            found.append(prefix + key)
    return found
