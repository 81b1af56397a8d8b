"""The folder of one video's run: its log of frames, its snapshot, and from where it can be continued."""

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
KIND = RunKind("rvos run")
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
        self.settings = settings
        self._targets = tuple(targets)
        self._overwrite = overwrite
        self._entered = ExitStack()
        self._log: FrameLog | None = None
        self._frames_logged = 0

    def check(self) -> None:
        """See that entering is not refused, as far as that shows without writing: before what costs much. Raises
        `OutputError`."""
        check_writable(self.path, KIND.other_folder_advice)
        if self.path.is_dir():
            self._refuse_foreign()
            if not self._overwrite and self._has_begun():
                check_settings(self.path, KIND, self.settings)

    def __enter__(self) -> RunDirectory:
        make_folder(self.path, KIND.other_folder_advice)
        self._refuse_foreign()  # before the lock: nothing is left in a folder of somebody else
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
        """The E records of each of the first `frames_done` frames, read as they are asked for."""
        logged = read_frames(self.frames_log, self._targets)
        return (records for (records, _), _ in zip(logged, range(self.frames_done), strict=False))

    def append(self, results: Sequence[FrameResult]) -> list[FrameRecord]:
        """Log the next frame's E results and give them as records.

        Frame indices increase, with gaps where not every frame is sampled. Raises `OutputError`, and `ValueError`
        when a target comes out of turn.
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
        """Keep the state in which `frames_logged` frames have their results; it replaces the one before, atomically.

        That many frames must be in the log: else `ValueError`. Raises `OutputError`.
        """
        if frames_logged != self._frames_logged:
            raise ValueError(f"RunDirectory.save_snapshot: expected {self._frames_logged} frames, got {frames_logged}")
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
        remove([self.path / paths.SNAPSHOT])
        return [self.frames_log, result_path, timing_path]

    def _refuse_foreign(self) -> None:
        with output_errors(self.path, KIND.other_folder_advice):
            names = paths.foreign_names(self.path)
        refuse_foreign(self.path, KIND, names)

    def _has_begun(self) -> bool:
        """Whether there is anything of a run that other settings would spoil: one that failed before its first frame
        has left nothing."""
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
        """Cut the log back to the frame of the snapshot: only there is the state known."""
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
