"""The folder of one run: its log of frames, its snapshot, and the frame from which it can be continued."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from image_core.files import check_writable, make_folder, output_errors, remove, write_atomic, write_json
from image_core.folder import RunKind, check_settings, lock_folder, prepare_folder, refuse_foreign
from rvos.export import paths
from rvos.export.records import FrameLog, count_frames, read_frames, to_record, truncate_frames
from rvos.types import FrameRecord, FrameResult, Target

_LOG = logging.getLogger(__name__)
KIND = RunKind("rvos run", advice_by_key={"save": "write other formats with rvos export when it is finished"})
_SNAPSHOT_HEADER = struct.Struct("<8sQI")
_SNAPSHOT_MAGIC = b"rvossnp1"


class RunDirectory:
    """The folder of one run, which is locked between entering and leaving.

    `settings` is everything that the results depend on, JSON values only; `targets` are the E targets of the run. A run
    is continued only with the same settings. `overwrite` removes the files of another run, and no other files.

    Entering raises `OutputError` if the folder cannot be written, is in use, or contains another run or other files.
    After it, `finished` is True if there is nothing to do; else the results of `frames_done` frames are in the log.
    """

    def __init__(
        self, path: Path | str, settings: dict[str, Any], targets: Sequence[Target], overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self.finished = False
        self.frames_done = 0
        self.settings = settings
        self._targets = tuple(targets)
        self._overwrite = overwrite
        self._entered = ExitStack()
        self._log: FrameLog | None = None
        self._frames_logged = 0

    def check(self) -> None:
        """Raise `OutputError` if entering would fail, as far as that is known without writing. For use before expensive
        steps."""
        check_writable(self.path, KIND.other_folder_advice)
        if self.path.is_dir():
            self._refuse_foreign()
            if not self._overwrite and self._has_begun():
                check_settings(self.path, KIND, self.settings)

    def __enter__(self) -> RunDirectory:
        make_folder(self.path, KIND.other_folder_advice)
        self._refuse_foreign()  # before the lock, so that nothing is written into a foreign folder
        with ExitStack() as entered:
            entered.enter_context(lock_folder(self.path, KIND))
            self._open()
            entered.callback(self._close_log)
            self._entered = entered.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.close()

    @property
    def frames_log(self) -> Path:
        """The path of `frames.jsonl`."""
        return self.path / paths.FRAMES_LOG

    def frames(self) -> Iterator[list[FrameRecord]]:
        """The E records of each of the first `frames_done` frames, read one by one."""
        logged = read_frames(self.frames_log, self._targets)
        return (records for (records, _), _ in zip(logged, range(self.frames_done), strict=False))

    def append(self, results: Sequence[FrameResult]) -> list[FrameRecord]:
        """Log the next frame's E results and return them as records.

        Frame indices increase, with gaps where not every frame is sampled. Raises `OutputError`, and `ValueError`
        if the targets are not in their order.
        """
        got = [(result.frame_index, result.expression_index, result.object_id) for result in results]
        expected = [(results[0].frame_index, target.index, target.object_id) for target in self._targets]
        if got != expected:
            raise ValueError(f"RunDirectory.append: expected (frame, index, object) {expected}, got {got}")
        if self._log is None:
            self._log = FrameLog(self.frames_log)
        records = [to_record(result) for result in results]
        self._log.append(records)
        self._frames_logged += 1
        return records

    def save_snapshot(self, frames_logged: int, payload: bytes) -> None:
        """Save the state of a session after `frames_logged` results; it replaces the last snapshot atomically.

        Raises `ValueError` unless that many frames are in the log, and `OutputError`.
        """
        if frames_logged != self._frames_logged:
            raise ValueError(f"RunDirectory.save_snapshot: expected {self._frames_logged} frames, got {frames_logged}")
        header = _SNAPSHOT_HEADER.pack(_SNAPSHOT_MAGIC, frames_logged, zlib.crc32(payload))
        write_atomic(self.path / paths.SNAPSHOT, header + payload)

    def load_snapshot(self) -> tuple[int, bytes] | None:
        """The number of frames in the log, and the state after them; None if there is no snapshot, or a damaged one."""
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
        """Write `timing.json`, then `result.json`, whose existence marks the run as finished. Raises `OutputError`."""
        timing_path, result_path = self.path / paths.TIMING, self.path / paths.RESULT
        write_json(timing_path, timing)
        write_json(result_path, result)
        self.finished = True
        remove([self.path / paths.SNAPSHOT])
        return [self.frames_log, result_path, timing_path]

    def _refuse_foreign(self) -> None:
        with output_errors(self.path, KIND.other_folder_advice):
            names = paths.foreign_names(self.path)
        refuse_foreign(self.path, KIND, names)

    def _has_begun(self) -> bool:
        """Whether the folder contains results of a run. One that failed before its first frame has none."""
        return any((self.path / name).is_file() for name in (paths.RESULT, paths.SNAPSHOT, paths.FRAMES_LOG))

    def _open(self) -> None:
        anew = self._overwrite or not self._has_begun()
        if not prepare_folder(self.path, KIND, self.settings, self._clear if anew else None):
            return
        self.finished = (self.path / paths.RESULT).is_file()
        if not self.finished:
            self._rewind()
        self.frames_done = self._frames_logged = count_frames(self.frames_log, self._targets)

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()

    def _rewind(self) -> None:
        """Truncate the log to the frame of the snapshot, the only one with a known state."""
        snapshot = self.load_snapshot()
        logged = count_frames(self.frames_log, self._targets)
        kept = 0 if snapshot is None else snapshot[0]
        if kept > logged:
            _LOG.warning("%s: the log ends before the snapshot (%d < %d): starting anew", self.path, logged, kept)
            kept = 0
            remove([self.path / paths.SNAPSHOT])
        truncate_frames(self.frames_log, self._targets, kept)

    def _clear(self) -> None:
        remove(list(paths.run_files(self.path)), paths.image_folders(self.path))
